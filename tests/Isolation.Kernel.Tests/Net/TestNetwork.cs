using System.Globalization;
using System.Text.Json;
using Isolation.Linux;
using Isolation.Linux.Syscalls;
using Isolation.Net;
using Isolation.Net.Netlink;
using Isolation.Net.Routing;
using Isolation.Net.TrafficControl;

namespace Isolation.Kernel.Tests.Net;

/// <summary>A network namespace of a test's own, with the host's tools run inside.</summary>
internal sealed class TestNetwork : IDisposable
{
    internal TestNetwork()
    {
        Namespace = NetworkNamespace.Create();
        Route = RouteSocket.Open(Namespace);
        using (Borrow file = new(Namespace))
            Path = string.Create(CultureInfo.InvariantCulture, $"/proc/{Environment.ProcessId}/fd/{file.Number}");
        NetworkNamespace.Run(Namespace, Loopback.SetUp);
    }

    internal LinuxHandle Namespace { get; }

    internal RouteSocket Route { get; }

    /// <summary>The namespace as a file, for nsenter and ip.</summary>
    internal string Path { get; }

    public void Dispose()
    {
        Route.Dispose();
        Namespace.Dispose();
    }

    /// <summary>Runs a tool in the namespace; it must succeed.</summary>
    internal string Run(string program, params string[] arguments)
    {
        (int code, string output) = TryRun(program, arguments);
        Assert.True(code == 0, $"{program} {string.Join(' ', arguments)}: {output}");
        return output;
    }

    internal (int Code, string Output) TryRun(string program, params string[] arguments) =>
        Host.Run("nsenter", ["--net=" + Path, Host.FindTool(program) ?? program, .. arguments]);

    internal JsonElement Json(string program, params string[] arguments)
    {
        string output = Run(program, arguments);
        try
        {
            return JsonDocument.Parse(output.Length == 0 ? "[]" : output).RootElement;
        }
        catch (JsonException e)
        {
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} says: {output}", e);
        }
    }

    /// <summary>How many random cases are tried: fewer in the emulated machine.</summary>
    internal static int Rounds(int count) => Testing.Host.IsEmulated ? count / 4 : count;

    /// <summary>Whether this kernel has a kind of link.</summary>
    internal static bool HasLinkKind(string kind)
    {
        using var network = new TestNetwork();
        try
        {
            network.Route.Add(new Link { Name = "probe", Kind = kind });
            return true;
        }
        catch (NetlinkException e)
        {
            return e.Errno != Errno.EOPNOTSUPP;
        }
    }

    /// <summary>Whether this kernel has a queueing discipline.</summary>
    internal static bool HasQdisc(Func<int, Qdisc> qdisc)
    {
        using var network = new TestNetwork();
        network.Route.Add(new VethLink { Name = "probe", Peer = new Link { Name = "probe1" } });
        try
        {
            network.Route.Add(qdisc(network.Route.GetLink("probe").Index));
            return true;
        }
        catch (NetlinkException e) when (e.Errno == Errno.ENOENT)
        {
            return false;
        }
    }
}
