using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using Tmds.DBus.Protocol;

namespace Isolation.Cgroups.Tests;

/// <summary>A real bus of its own, and on it a service that answers like systemd.</summary>
internal sealed class TestBus : IDisposable, IPathMethodHandler
{
    private readonly string _directory = Directory.CreateTempSubdirectory("isolation-bus").FullName;
    private readonly Process _daemon;
    private readonly DBusConnection _service;

    internal TestBus()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/dbus-daemon"), "needs dbus-daemon: the package dbus");
        string configuration = System.IO.Path.Combine(_directory, "bus.conf");
        File.WriteAllText(configuration, $"""
            <!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
              "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
            <busconfig>
              <type>session</type><listen>unix:path={Socket}</listen><auth>EXTERNAL</auth>
              <policy context="default">
                <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
              </policy>
            </busconfig>
            """);
        _daemon = Process.Start(new ProcessStartInfo("/usr/bin/dbus-daemon",
            ["--nofork", "--nopidfile", "--print-address", $"--config-file={configuration}"])
        { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Assert.NotNull(_daemon.StandardOutput.ReadLine());
        _service = new DBusConnection("unix:path=" + Socket);
        _service.ConnectAsync().AsTask().Wait();
        _service.AddMethodHandler(this);
        _service.RequestNameAsync("org.freedesktop.systemd1").Wait();
    }

    internal string Socket => System.IO.Path.Combine(_directory, "bus");

    /// <summary>The error that the next calls are answered with.</summary>
    internal (string Name, string Text)? Refusal { get; set; }

    /// <summary>How long each answer takes.</summary>
    internal TimeSpan Delay { get; set; }

    /// <summary>A property's value, by its name.</summary>
    internal Func<string, string> Property { get; set; } = name => name == "ActiveState" ? "active" : "/";

    /// <summary>Gives the name back.</summary>
    internal void Leave() => _service.ReleaseNameAsync("org.freedesktop.systemd1").Wait();

    internal ConcurrentQueue<string> Calls { get; } = [];

    public string Path => "/org/freedesktop/systemd1";

    public bool HandlesChildPaths => true;

    internal SystemdBus Open(double seconds = 10) =>
        SystemdBus.Open([Encoding.UTF8.GetBytes(Socket)], "the test's bus", TimeSpan.FromSeconds(seconds), "Start it.");

    public async ValueTask HandleMethodAsync(MethodContext context)
    {
        string member = context.Request.MemberAsString!;
        Calls.Enqueue(member);
        string[] texts = member is "Get" or "StopUnit" ? ReadTexts(context.Request, 2) : ReadTexts(context.Request, 1);
        (string Name, string Text)? refusal = Refusal;
        await Task.Delay(Delay);
        if (refusal is { } error)
        {
            context.ReplyError(error.Name, error.Text);
            return;
        }

        string? type = member switch
        {
            "StartTransientUnit" or "StopUnit" or "LoadUnit" or "GetUnit" => "o",
            "Get" => "v",
            _ => null,
        };
        Reply(context, type, type == "v" ? texts[1] : $"{Path}/unit/{texts[0].Replace('.', '_').Replace('-', '_')}");
    }

    public void Dispose()
    {
        _service.Dispose();
        _daemon.Kill();
        _daemon.WaitForExit();
        _daemon.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    private static string[] ReadTexts(Message request, int count)
    {
        Reader reader = request.GetBodyReader();
        var texts = new string[count];
        for (int i = 0; i < count; i++)
            texts[i] = reader.ReadString();
        return texts;
    }

    private void Reply(MethodContext context, string? type, string text)
    {
        using MessageWriter writer = context.CreateReplyWriter(type);
        if (type == "o")
            writer.WriteObjectPath(text);
        else if (type == "v" && text == "Delegate")
            writer.WriteVariantBool(true);
        else if (type == "v")
            writer.WriteVariantString(Property(text));
        context.Reply(writer.CreateMessage());
    }
}
