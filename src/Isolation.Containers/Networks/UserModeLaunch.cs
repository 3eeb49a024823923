using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Text;
using Isolation.Linux;
using Isolation.Linux.Launching;
using Isolation.Namespaces;
using Isolation.Net.Routing;

namespace Isolation.Containers;

/// <summary>Connects a container by a program of the host that turns packets into sockets:
/// pasta, or slirp4netns. It ends with the container.</summary>
internal sealed class UserModeLaunch(ContainerSpec spec, UserModeNetwork network) : NetworkConnection(spec)
{
    private static readonly IPAddress s_slirpNameServer = new([10, 0, 2, 3]), s_slirpGuest = new([10, 0, 2, 100]);
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    private CompanionProcess? _companion;
    private string? _directory;

    /// <summary>Which program is used on a host, and where it is.</summary>
    /// <exception cref="KernelFeatureException">None of them is installed.</exception>
    internal static (UserModeStackKind Kind, string Path) Choose(UserModeNetwork network, HostFacts facts)
    {
        if (network.Stack != UserModeStackKind.Slirp4netns && facts.Pasta is { } pasta)
            return (UserModeStackKind.Pasta, pasta);
        if (network.Stack != UserModeStackKind.Pasta && facts.Slirp4netns is { } slirp)
            return (UserModeStackKind.Slirp4netns, slirp);
        throw network.Stack switch
        {
            UserModeStackKind.Pasta => Missing("pasta is not installed",
                "Install it (Debian, Ubuntu: apt-get install passt), or use slirp4netns (apt-get install slirp4netns)."),
            UserModeStackKind.Slirp4netns => Missing("slirp4netns is not installed",
                "Install it (Debian, Ubuntu: apt-get install slirp4netns), or use pasta (apt-get install passt)."),
            _ => Missing("neither pasta nor slirp4netns is installed",
                "Install one of them (Debian, Ubuntu: apt-get install passt, or apt-get install slirp4netns)."),
        };
    }

    internal static ImmutableArray<IPAddress> NameServers(UserModeNetwork network, HostFacts facts) =>
        IsSlirp(network, facts) ? [s_slirpNameServer] : facts.NameServers;

    /// <summary>The address that the container will have, where that is known before: pasta gives it the host's.</summary>
    internal static IPAddress? AddressOf(ContainerNetwork? network, HostFacts facts) =>
        network is UserModeNetwork user && IsSlirp(user, facts) ? s_slirpGuest : null;

    private static bool IsSlirp(UserModeNetwork network, HostFacts facts) =>
        network.Stack != UserModeStackKind.Pasta && facts.Slirp4netns is not null
        && (network.Stack == UserModeStackKind.Slirp4netns || facts.Pasta is null);

    private protected override void Connect(PidHandle process, RouteSocket inside)
    {
        (UserModeStackKind kind, string path) = Choose(network, HostFacts.Current);
        string name = Path.GetFileName(path);
        CheckTun(name);
        if (kind == UserModeStackKind.Slirp4netns && !Settings.Ports.IsEmpty)
            _directory = Directory.CreateTempSubdirectory("isolation-").FullName;
        // pasta of root gives up the capability by which it could open /proc/PID/ns/net of a process that has more; ours it opens as its
        // own.
        using Namespace? given = kind == UserModeStackKind.Pasta && JoinsDirectly ? Namespace.Open(NamespaceKinds.Net, process) : null;
        // Ports that were chosen free are its own now.
        using (PortHold hold = PortHold.Begin())
        {
            foreach (PublishedPort port in Settings.Ports)
                hold.Take(port, 0, []);
        }

        _companion = CompanionProcess.Start(path, [.. kind == UserModeStackKind.Pasta ? PastaArguments(process) : SlirpArguments(process)],
            process, given?.Handle);
        WaitUntilConnected(name, inside);
        if (_directory is not null)
        {
            foreach (PublishedPort port in Settings.Ports)
                Forward(port, name);
        }
    }

    internal override void Release()
    {
        Interlocked.Exchange(ref _companion, null)?.Dispose();
        if (Interlocked.Exchange(ref _directory, null) is not { } directory)
            return;
        try
        {
            Directory.Delete(directory, recursive: true);
        }
        catch (IOException e)
        {
            // somebody else cleans temporary files too
            ContainerDiagnostics.TellCleanUpFailure(null, null, "remove the files of its user-mode network", e);
        }
    }

    private IEnumerable<string> PastaArguments(PidHandle process)
    {
        string Namespace(string kind) => string.Create(CultureInfo.InvariantCulture, $"/proc/{process.ProcessId}/ns/{kind}");
        // Nothing of the host's loopback is seen inside, and nothing of the container's outside, but for published ports.
        List<string> arguments = ["pasta", "--foreground", "--quiet", "--config-net", "--no-map-gw", "--tcp-ns", "none", "--udp-ns", "none",
            "--ns-ifname", Settings.InterfaceName];
        foreach ((PortProtocol protocol, string flag) in new[] { (PortProtocol.Tcp, "--tcp-ports"), (PortProtocol.Udp, "--udp-ports") })
        {
            PublishedPort[] ports = [.. Settings.Ports.Where(p => p.Protocol == protocol)];
            foreach (PublishedPort port in ports)
                arguments.AddRange([flag, $"{(port.HostAddress is { } address ? address + "/" : "")}{Ports(port.HostPort, port.Count)}:"
                    + $"{Ports(port.ContainerPort, port.Count)}"]);
            if (ports.Length == 0)
                arguments.AddRange([flag, "none"]);
        }

        if (Settings.HardwareAddress is { } hardware)
            arguments.AddRange(["--ns-mac-addr", Written(hardware)]);
        if (HostFacts.Current.UserId == 0)
            arguments.AddRange(["--runas", "0"]);
        return [.. arguments, .. JoinsDirectly ? ["--netns-only", "--netns", "/proc/self/fd/0"]
            : new[] { "--userns", Namespace("user"), "--netns", Namespace("net") }];
    }

    /// <summary>Whether the network namespace belongs to this process's user namespace: it is entered without another one.</summary>
    private bool JoinsDirectly => HostFacts.Current.IsPrivileged && Spec.Namespaces.User != UserNamespaceMode.New;

    private IEnumerable<string> SlirpArguments(PidHandle process)
    {
        string Namespace(string kind) => string.Create(CultureInfo.InvariantCulture, $"/proc/{process.ProcessId}/ns/{kind}");
        List<string> arguments = ["slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback"];
        if (_directory is not null)
            arguments.Add($"--api-socket={_directory}/api");
        if (Settings.HardwareAddress is { } hardware)
            arguments.Add("--macaddress=" + Written(hardware));
        if (!HostFacts.Current.IsPrivileged || Spec.Namespaces.User == UserNamespaceMode.New)
            arguments.Add("--userns-path=" + Namespace("user"));
        return [.. arguments, "--netns-type=path", Namespace("net"), Settings.InterfaceName];
    }

    /// <summary>Both make the link last but one, and its addresses and routes last.</summary>
    private void WaitUntilConnected(string name, RouteSocket inside)
    {
        long start = Stopwatch.GetTimestamp();
        var said = new StringBuilder();
        while (true)
        {
            said.Append(_companion!.ReadOutput());
            if (inside.FindLink(Settings.InterfaceName) is { Up: true } link
                && inside.ReadRoutes().Any(r => r.LinkIndex == link.Index && r.Destination.PrefixLength == 0))
                return;
            if (_companion.HasExited || Stopwatch.GetElapsedTime(start) > s_patience)
                throw new LinuxException("connect by", name, name + "(1)", _companion.HasExited ? Errno.EIO : Errno.ETIMEDOUT,
                    remedy: said.Length == 0
                        ? (_companion.HasExited ? "It ended without a word." : "The network did not come up.")
                        : $"It said: {LastLine(said.ToString())}");
            Thread.Sleep(2);
        }
    }

    /// <summary>slirp4netns takes ports one by one over a socket.</summary>
    private void Forward(PublishedPort port, string name)
    {
        for (int i = 0; i < port.Count; i++)
        {
            string guest = string.Create(CultureInfo.InvariantCulture,
                $"\"guest_addr\": \"{s_slirpGuest}\", \"guest_port\": {port.ContainerPort + i}");
            string host = string.Create(CultureInfo.InvariantCulture,
                $"\"host_addr\": \"{port.HostAddress?.ToString() ?? "0.0.0.0"}\", \"host_port\": {port.HostPort + i}");
            string reply = Ask("{\"execute\": \"add_hostfwd\", \"arguments\": {\"proto\": \"" + port.ProtocolName + "\", " + host + ", "
                + guest + "}}", port, name);
            if (!reply.Contains("\"return\"", StringComparison.Ordinal))
                throw new LinuxException("publish port", port.ToString(), name + "(1)", Errno.EADDRINUSE,
                    remedy: $"It said: {reply.Trim()}");
        }
    }

    private string Ask(string request, PublishedPort port, string name)
    {
        try
        {
            using Socket socket = ConnectToApi(port, name);
            socket.ReceiveTimeout = socket.SendTimeout = (int)s_patience.TotalMilliseconds;
            socket.Send(Encoding.UTF8.GetBytes(request));
            socket.Shutdown(SocketShutdown.Send);
            var reply = new byte[4096];
            int length = 0, count;
            while (length < reply.Length && (count = socket.Receive(reply.AsSpan(length))) > 0)
                length += count;
            return Encoding.UTF8.GetString(reply, 0, length);
        }
        catch (SocketException e)
        {
            throw Unanswered(port, name, e.SocketErrorCode == SocketError.TimedOut ? Errno.ETIMEDOUT : Errno.EIO);
        }
    }

    /// <summary>The network is up before slirp4netns makes its socket, and the socket is there before it listens.</summary>
    private Socket ConnectToApi(PublishedPort port, string name)
    {
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                socket.Connect(new UnixDomainSocketEndPoint(_directory + "/api"));
                return socket;
            }
            catch (SocketException)
            {
                socket.Dispose();
                _companion!.ReadOutput();
                if (_companion.HasExited || Stopwatch.GetElapsedTime(start) > s_patience)
                    throw Unanswered(port, name, _companion.HasExited ? Errno.EIO : Errno.ETIMEDOUT);
                Thread.Sleep(2);
            }
        }
    }

    private LinuxException Unanswered(PublishedPort port, string name, Errno errno) =>
        new("publish port", port.ToString(), name + "(1)", errno,
            remedy: _companion is { HasExited: true } ? "It has ended." : "It does not answer at its socket.");

    private static string Written(PhysicalAddress address) =>
        string.Join(':', address.GetAddressBytes().Select(b => b.ToString("x2", CultureInfo.InvariantCulture)));

    private static void CheckTun(string name)
    {
        try
        {
            using FileStream tun = File.Open("/dev/net/tun", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LinuxException("connect by", name, "openat(2)", e is UnauthorizedAccessException ? Errno.EACCES : Errno.ENOENT,
                remedy: e is UnauthorizedAccessException
                    ? "This user may not open /dev/net/tun: give it the mode 0666."
                    : "There is no /dev/net/tun: load the module tun.");
        }
    }

    private static string Ports(int first, int count) => count == 1
        ? first.ToString(CultureInfo.InvariantCulture)
        : string.Create(CultureInfo.InvariantCulture, $"{first}-{first + count - 1}");

    private static string LastLine(string text) => text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
        .LastOrDefault(l => !l.Contains("syslog", StringComparison.Ordinal))?.Trim() ?? text.Trim();

    private static KernelFeatureException Missing(string reason, string remedy) => new("a user-mode network", reason, remedy);
}
