using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Isolation.Containers;
using Isolation.Linux.Syscalls;
using Isolation.Net;

namespace Isolation.Kernel.Tests.Net;

/// <summary>Ports of the host that lead to a container, or are about to: nobody else gets them. docker-container-run(1), --publish;
/// bind(2), EADDRINUSE.</summary>
public class FreePortTests
{
    /// <summary>From the moment that it is chosen: a program with SO_REUSEADDR, as most servers are, is refused in each family.</summary>
    [Theory]
    [InlineData(PortProtocol.Tcp, null)]
    [InlineData(PortProtocol.Udp, null)]
    [InlineData(PortProtocol.Tcp, "127.0.0.1")]
    [InlineData(PortProtocol.Udp, "::1")]
    [InlineData(PortProtocol.Tcp, "::")]
    [InlineData(PortProtocol.Sctp, null)]
    public void A_port_that_is_chosen_is_held(PortProtocol protocol, string? address)
    {
        Host.NeedsRoot();
        using var network = new TestNetwork();
        Assert.SkipWhen(protocol == PortProtocol.Sctp && !HasSctp(), "needs a kernel with SCTP");
        NetworkNamespace.Run(network.Namespace, () =>
        {
            IPAddress? at = address is null ? null : IPAddress.Parse(address);
            PublishedPort port = PublishedPort.OnFreePort(80, at, protocol);
            IPAddress[] refused = at is not null ? [at] : [IPAddress.Any, IPAddress.Loopback, IPAddress.IPv6Any, IPAddress.IPv6Loopback];
            foreach (IPAddress one in refused)
                Assert.Equal(SocketError.AddressAlreadyInUse, Bind(one, port.HostPort, protocol));
            Assert.NotEqual(port.HostPort, PublishedPort.OnFreePort(80, at, protocol).HostPort);
        });
    }

    /// <summary>Where there are few ports to choose from, two that ask and let go would get the same one.</summary>
    [Fact]
    public void Starts_at_once_get_ports_of_their_own()
    {
        Host.NeedsRoot();
        using var host = new NetworkHost();
        host.Host.Run("sh", "-c", "echo 40000 40007 > /proc/sys/net/ipv4/ip_local_port_range");
        NetworkHost.Running[] all = [.. Enumerable.Range(0, 4).Select(_ => host.Start("run", "--init", "--network", "web", "-p", "80", "-p",
            "80/udp", "--", "sh", "-c", "echo ready; sleep 600"))];
        try
        {
            foreach (NetworkHost.Running running in all)
                running.WaitForLine("ready");
            foreach (string protocol in new[] { "tcp", "udp" })
            {
                string[] ports = [.. all.Select(r => Published(r, protocol).ToString())];
                Assert.True(ports.Distinct().Count() == 4, string.Join(' ', ports));
            }
        }
        finally
        {
            foreach (NetworkHost.Running running in all)
                running.Stop();
        }

        Assert.Equal("", host.Leftovers());
    }

    /// <summary>As long as the filter leads a port past the host, no program of it has that port; then it is free again.</summary>
    [Theory]
    [InlineData("80", PortProtocol.Tcp)]
    [InlineData("8080:80/udp", PortProtocol.Udp)]
    [InlineData("127.0.0.1:8080:80", PortProtocol.Tcp)]
    public void A_program_of_the_host_is_refused_a_port_that_leads_to_a_container(string wanted, PortProtocol protocol)
    {
        Host.NeedsRoot();
        using var host = new NetworkHost();
        using NetworkHost.Running running = host.StartReady(["--network", "web", "-p", wanted], "echo ready; sleep 600");
        int port = wanted == "80" ? Published(running, "tcp") : 8080;
        SocketError? Tried(IPAddress address) => NetworkNamespace.Run(host.Host.Namespace, () => Bind(address, port, protocol));
        Assert.Equal(SocketError.AddressAlreadyInUse, Tried(IPAddress.Any));
        if (!wanted.StartsWith("127", StringComparison.Ordinal))
            Assert.Equal(SocketError.AddressAlreadyInUse, Tried(IPAddress.IPv6Any));
        running.Stop();
        Assert.Null(Tried(IPAddress.Any));
        Assert.Null(Tried(IPAddress.IPv6Any));
        Assert.Equal("", host.Leftovers());
    }

    /// <summary>tcp(7): connections of a server that has ended are in TIME_WAIT for a minute, and in nobody's way who sets
    /// SO_REUSEADDR.</summary>
    [Fact]
    public void A_port_with_old_connections_can_be_published()
    {
        Host.NeedsRoot();
        using var host = new NetworkHost();
        NetworkNamespace.Run(host.Host.Namespace, () =>
        {
            using var listener = new TcpListener(IPAddress.Loopback, 8080);
            listener.Start();
            using var client = new TcpClient();
            client.Connect(IPAddress.Loopback, 8080);
            // Who closes first has the connection in TIME_WAIT.
            using (TcpClient server = listener.AcceptTcpClient())
                server.Client.Shutdown(SocketShutdown.Send);
            client.GetStream().ReadByte();
        });
        Assert.Contains("tcp", host.Host.Run("sh", "-c", "grep -l ' 06 ' /proc/net/tcp"));
        host.LaunchOutput("run", "--network", "web", "-p", "8080:80", "--", "true");
        Assert.Equal("", host.Leftovers());
    }

    private static int Published(NetworkHost.Running running, string protocol)
    {
        running.WaitForLine($":80/{protocol}.");
        Match found = Regex.Match(running.Output, $@"published (\d+):80/{protocol}");
        Assert.True(found.Success, running.Output);
        return int.Parse(found.Groups[1].Value);
    }

    /// <summary>Tries to listen as servers do, with SO_REUSEADDR; null where that succeeds.</summary>
    // The runtime has no SCTP: socket(2), AF_INET and AF_INET6, SOCK_STREAM; sctp(7), IPPROTO_SCTP.
    private static Socket OpenSctp(AddressFamily family) => new(new SafeSocketHandle(
        (nint)RawSyscall.Invoke(Syscall.socket, family == AddressFamily.InterNetworkV6 ? 10u : 2u, 1, 132).Value, ownsHandle: true));

    // Asking for a socket loads the module.
    private static bool HasSctp()
    {
        SyscallResult opened = RawSyscall.Invoke(Syscall.socket, 2, 1, 132);
        if (!opened.IsError)
            new SafeSocketHandle((nint)opened.Value, ownsHandle: true).Dispose();
        return !opened.IsError;
    }

    private static SocketError? Bind(IPAddress address, int port, PortProtocol protocol)
    {
        try
        {
            using Socket socket = protocol == PortProtocol.Sctp ? OpenSctp(address.AddressFamily)
                : new Socket(address.AddressFamily, protocol == PortProtocol.Udp ? SocketType.Dgram : SocketType.Stream,
                    protocol == PortProtocol.Udp ? ProtocolType.Udp : ProtocolType.Tcp);
            if (protocol != PortProtocol.Udp)
                socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            socket.Bind(new IPEndPoint(address, port));
            if (protocol != PortProtocol.Udp)
                socket.Listen();
            return null;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode;
        }
    }
}
