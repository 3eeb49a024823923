using System.Diagnostics;
using Isolation.Linux;
using Isolation.Net.Nftables;
using Isolation.Net.Routing;

namespace Isolation.Kernel.Tests.Net;

/// <summary>A host of a test's own, in a network namespace, with a world beside it:
/// a second namespace that the host reaches by a link of its own.</summary>
/// <remarks>The launcher is run in it as a person would run it, with networks of its own.</remarks>
internal sealed class NetworkHost : IDisposable
{
    internal const string HostAddress = "192.0.2.1", WorldAddress = "192.0.2.2", HostV6 = "2001:db8::1", WorldV6 = "2001:db8::2";

    private static readonly string s_launcher = Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll");

    private readonly TemporaryDirectory _directory = new();
    private readonly List<Process> _processes = [];

    internal NetworkHost()
    {
        VethPair.Create(new VethLink { Name = "up0", Peer = new Link { Name = "world0", NetworkNamespace = World.Namespace } },
            Host.Namespace);
        Configure(Host, "up0", HostAddress, HostV6);
        Configure(World, "world0", WorldAddress, WorldV6);
    }

    internal TestNetwork Host { get; } = new();

    internal TestNetwork World { get; } = new();

    internal string StateDirectory => _directory.Path;

    /// <summary>Runs the launcher to its end.</summary>
    internal (int Code, string Output) Launch(params string[] arguments)
    {
        using Running running = Start(arguments);
        return running.WaitForEnd();
    }

    internal string LaunchOutput(params string[] arguments)
    {
        (int code, string output) = Launch(arguments);
        Assert.True(code == 0, $"{string.Join(' ', arguments)}: {output}");
        return output;
    }

    /// <summary>Starts the launcher.</summary>
    internal Running Start(params string[] arguments) => StartIn(Host, Testing.Host.Dotnet, [s_launcher, .. arguments]);

    /// <summary>Starts the launcher where the host's names are those of a text: its /etc/hosts.</summary>
    internal Running StartWithHosts(string hosts, params string[] arguments) => StartWithFile("/etc/hosts", hosts, arguments);

    /// <summary>Starts the launcher where a file of the host has another text.</summary>
    internal Running StartWithFile(string path, string text, params string[] arguments)
    {
        string file = _directory.Write(Path.GetFileName(path), text);
        return StartIn(Host, "unshare",
            ["--mount", "sh", "-c", $"mount --bind {file} {path} && exec \"$@\"", "sh", Testing.Host.Dotnet, s_launcher, .. arguments]);
    }

    /// <summary>Starts the launcher by another program, which runs it.</summary>
    internal Running StartUnder(string[] program, params string[] arguments) =>
        StartIn(Host, program[0], [.. program[1..], Testing.Host.Dotnet, s_launcher, .. arguments]);

    /// <summary>Starts the launcher where the host's /etc has nothing in it.</summary>
    internal Running StartWithEmptyEtc(params string[] arguments) =>
        StartIn(Host, "unshare",
            ["--mount", "sh", "-c", "mount -t tmpfs none /etc && exec \"$@\"", "sh", Testing.Host.Dotnet, s_launcher, .. arguments]);

    /// <summary>Starts a container and waits until it says that it is ready.</summary>
    internal Running StartReady(string[] flags, string script)
    {
        Running running = Start(["run", "--init", .. flags, "--", "sh", "-c", script]);
        running.WaitForLine("ready");
        return running;
    }

    internal Running StartIn(TestNetwork network, string program, params string[] arguments)
    {
        var start = new ProcessStartInfo("nsenter", ["--net=" + network.Path, Testing.Host.FindTool(program) ?? program, .. arguments])
        { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        start.Environment["ISOLATION_NETWORKS"] = StateDirectory;
        Process process = Process.Start(start)!;
        lock (_processes)
            _processes.Add(process);
        return new Running(process);
    }

    /// <summary>Serves a text, and the client's address, to each client.</summary>
    internal Running Serve(TestNetwork network, string listen, string text)
    {
        Running server = StartIn(network, "socat", "-d", "-d", listen, $"SYSTEM:echo {text} from $SOCAT_PEERADDR");
        server.WaitForLine("listening on");
        return server;
    }

    /// <summary>The end of a script that has started servers: it says that it is ready when they have their sockets, or when it has waited
    /// long enough for one that cannot be.</summary>
    internal static string ReadyWhenBound(int sockets) =>
        "for i in $(seq 60); do [ $(cat /proc/net/tcp /proc/net/udp /proc/net/sctp/eps 2>/dev/null | grep -vc 'local_address\\|ENDPT') "
            + $"-ge {sockets} ] && break; sleep 0.05; done; echo ready; wait";

    /// <summary>What a server says; empty where there is none to be reached.</summary>
    internal static string Ask(TestNetwork network, string address) =>
        network.TryRun("socat", "-t10", "-T10", "-", address + ",connect-timeout=3").Output.Trim();

    /// <summary>What is left of networks in the host's namespace and on disk.</summary>
    internal string Leftovers()
    {
        using NftSocket nft = NftSocket.Open(Host.Namespace);
        IEnumerable<string> links = Host.Route.ReadLinks().Select(l => l.Name!)
            .Where(n => n is not ("lo" or "up0" or "sit0" or "ip6tnl0" or "tunl0"));
        IEnumerable<string> files = Directory.Exists(_directory.Path + "/run")
            ? Directory.EnumerateFiles(_directory.Path + "/run", "*", SearchOption.AllDirectories).Where(f => !f.EndsWith("/lock"))
            : [];
        return string.Join(", ", links.Concat(nft.ReadTables().Select(t => "table " + t.Table)).Concat(files));
    }

    public void Dispose()
    {
        foreach (Process process in _processes)
        {
            if (!process.HasExited)
                process.Kill();
            process.WaitForExit();
            process.Dispose();
        }

        Host.Dispose();
        World.Dispose();
        _directory.Dispose();
    }

    private static void Configure(TestNetwork network, string link, string address, string v6)
    {
        int index = network.Route.GetLink(link).Index;
        network.Route.Change(new Link { Index = index, Up = true });
        network.Route.Add(Address.Parse(index, address + "/24"));
        network.Route.Add(Address.Parse(index, v6 + "/64") with { Flags = AddressFlags.NoDad });
    }

    /// <summary>A process, with what it has written so far.</summary>
    internal sealed class Running : IDisposable
    {
        private readonly List<string> _lines = [];
        private int _open = 2;

        internal Running(Process process)
        {
            Process = process;
            process.OutputDataReceived += OnLine;
            process.ErrorDataReceived += OnLine;
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
        }

        internal Process Process { get; }

        internal string Output
        {
            get
            {
                lock (_lines)
                    return string.Join('\n', _lines);
            }
        }

        internal void WaitForLine(string text)
        {
            DateTime end = DateTime.UtcNow.AddSeconds(Testing.Host.IsEmulated ? 200 : 40);
            lock (_lines)
            {
                while (!_lines.Any(l => l.Contains(text, StringComparison.Ordinal)))
                {
                    if (_open == 0 || DateTime.UtcNow > end)
                        Assert.Fail($"\"{text}\" was not written: {string.Join('\n', _lines)}");
                    Monitor.Wait(_lines, 500);
                }
            }
        }

        internal (int Code, string Output) WaitForEnd()
        {
            Assert.True(Process.WaitForExit(Testing.Host.IsEmulated ? 300_000 : 60_000), $"it does not end: {Output}");
            Process.WaitForExit();
            return (Process.ExitCode, Output);
        }

        /// <summary>Ends it as a person would: the launcher passes the signal on.</summary>
        internal void Stop()
        {
            using PidHandle handle = PidHandle.Open(Process.Id);
            handle.SendSignal(Signal.SIGTERM);
            if (!Process.WaitForExit(10_000))
                Process.Kill();
            Process.WaitForExit();
        }

        public void Dispose()
        {
            if (!Process.HasExited)
                Stop();
        }

        private void OnLine(object sender, DataReceivedEventArgs e)
        {
            lock (_lines)
            {
                if (e.Data is null)
                    _open--;
                else
                    _lines.Add(e.Data);
                Monitor.PulseAll(_lines);
            }
        }
    }
}
