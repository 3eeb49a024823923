using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Isolation.Linux;

namespace Isolation.Containers.Tests;

/// <summary>What is carried from the host's ::1 to an address, here one of its own.</summary>
public class LoopbackRelayTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private static CancellationToken Patience => CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken,
        new CancellationTokenSource(s_patience).Token).Token;

    private static Socket Tcp(AddressFamily family = AddressFamily.InterNetworkV6) => new(family, SocketType.Stream, ProtocolType.Tcp);

    private static Socket Udp(AddressFamily family = AddressFamily.InterNetworkV6) => new(family, SocketType.Dgram, ProtocolType.Udp);

    private static int PortOf(Socket socket) => ((IPEndPoint)socket.LocalEndPoint!).Port;

    /// <summary>A port of ::1 that nobody has.</summary>
    private static ushort FreePort(Func<AddressFamily, Socket> make)
    {
        Assert.SkipUnless(Socket.OSSupportsIPv6 && File.Exists("/proc/net/if_inet6")
            && File.ReadAllText("/proc/net/if_inet6").Contains(" lo", StringComparison.Ordinal), "needs ::1");
        using Socket socket = make(AddressFamily.InterNetworkV6);
        socket.Bind(new IPEndPoint(IPAddress.IPv6Loopback, 0));
        return (ushort)PortOf(socket);
    }

    private static (LoopbackRelay Relay, ushort Port, Socket Server) Start(PortProtocol protocol)
    {
        Func<AddressFamily, Socket> make = protocol == PortProtocol.Tcp ? Tcp : Udp;
        ushort port = FreePort(make);
        Socket server = make(AddressFamily.InterNetwork);
        server.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        if (protocol == PortProtocol.Tcp)
            server.Listen();
        LoopbackRelay relay = LoopbackRelay.Listen([new PublishedPort(port, (ushort)PortOf(server)) { Protocol = protocol }])!;
        relay.Start(IPAddress.Loopback);
        return (relay, port, server);
    }

    private static async Task<Socket> ConnectAsync(ushort port)
    {
        Socket client = Tcp();
        await client.ConnectAsync(new IPEndPoint(IPAddress.IPv6Loopback, port), Patience);
        return client;
    }

    private static async Task<byte[]> ReadToEndAsync(Socket socket)
    {
        using var all = new MemoryStream();
        var buffer = new byte[1 << 16];
        for (int count; (count = await socket.ReceiveAsync(buffer.AsMemory(), Patience)) > 0;)
            all.Write(buffer, 0, count);
        return all.ToArray();
    }

    [Fact]
    public async Task Both_directions_are_carried_and_each_ends_by_itself()
    {
        (LoopbackRelay relay, ushort port, Socket server) = Start(PortProtocol.Tcp);
        using LoopbackRelay _ = relay;
        using Socket __ = server;
        byte[] question = RandomNumberGenerator.GetBytes(3_000_000), answer = RandomNumberGenerator.GetBytes(5_000_000);
        await Task.WhenAll(Enumerable.Range(0, 5).Select(async _ =>
        {
            using Socket client = await ConnectAsync(port);
            Task<Socket> accepting = server.AcceptAsync(Patience).AsTask();
            Task asking = Task.Run(async () =>
            {
                for (int sent = 0; sent < question.Length;)
                    sent += await client.SendAsync(question.AsMemory(sent), Patience);
                client.Shutdown(SocketShutdown.Send);
            });
            using Socket accepted = await accepting;
            byte[] asked = await ReadToEndAsync(accepted);
            await asking;
            Assert.True(asked.AsSpan().SequenceEqual(question));
            Task answering = Task.Run(async () =>
            {
                for (int sent = 0; sent < answer.Length;)
                    sent += await accepted.SendAsync(answer.AsMemory(sent), Patience);
                accepted.Shutdown(SocketShutdown.Both);
            });
            Assert.True((await ReadToEndAsync(client)).AsSpan().SequenceEqual(answer));
            await answering;
        }));
    }

    [Fact]
    public async Task A_connection_that_breaks_or_finds_nobody_is_seen_as_broken()
    {
        (LoopbackRelay relay, ushort port, Socket server) = Start(PortProtocol.Tcp);
        using LoopbackRelay _ = relay;
        using (Socket client = await ConnectAsync(port))
        {
            using Socket accepted = await server.AcceptAsync(Patience);
            accepted.LingerState = new LingerOption(true, 0);
            accepted.Dispose();
            Assert.Equal(SocketError.ConnectionReset,
                (await Assert.ThrowsAsync<SocketException>(() => client.ReceiveAsync(new byte[1].AsMemory(), Patience).AsTask()))
                    .SocketErrorCode);
        }

        server.Dispose();
        // It may be broken before the client has noticed that it is there.
        Assert.Equal(SocketError.ConnectionReset, (await Assert.ThrowsAsync<SocketException>(async () =>
        {
            using Socket late = await ConnectAsync(port);
            await late.ReceiveAsync(new byte[1].AsMemory(), Patience);
        })).SocketErrorCode);
    }

    [Fact]
    public async Task Who_listens_on_one_family_only_is_found()
    {
        ushort port = FreePort(Tcp);
        using Socket server = Tcp();
        server.DualMode = false;
        server.Bind(new IPEndPoint(IPAddress.IPv6Loopback, 0));
        server.Listen();
        using LoopbackRelay relay = LoopbackRelay.Listen([new PublishedPort(port, (ushort)PortOf(server))])!;
        relay.Start(IPAddress.Loopback, IPAddress.IPv6Loopback);
        using Socket client = await ConnectAsync(port);
        using Socket accepted = await server.AcceptAsync(Patience);
        await accepted.SendAsync("x"u8.ToArray(), Patience);
        Assert.Equal(1, await client.ReceiveAsync(new byte[1].AsMemory(), Patience));
    }

    [Fact]
    public async Task Its_end_is_the_end_of_all_connections_and_of_the_port()
    {
        (LoopbackRelay relay, ushort port, Socket server) = Start(PortProtocol.Tcp);
        using Socket _ = server;
        using Socket client = await ConnectAsync(port);
        using Socket accepted = await server.AcceptAsync(Patience);
        relay.Dispose();
        int[] received = await Task.WhenAll(new[] { client, accepted }.Select(async s =>
        {
            try
            {
                return await s.ReceiveAsync(new byte[1].AsMemory(), Patience);
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
            {
                return 0;
            }
        }));
        Assert.Equal([0, 0], received);
        Assert.Equal(SocketError.ConnectionRefused, (await Assert.ThrowsAsync<SocketException>(() => ConnectAsync(port))).SocketErrorCode);
        relay.Dispose();
    }

    [Fact]
    public async Task Datagrams_find_their_way_back_to_each_client()
    {
        (LoopbackRelay relay, ushort port, Socket server) = Start(PortProtocol.Udp);
        using LoopbackRelay _ = relay;
        using Socket __ = server;
        Socket[] clients = [Udp(), Udp()];
        var buffer = new byte[100];
        for (int round = 0; round < 3; round++)
        {
            for (byte i = 0; i < 2; i++)
                await clients[i].SendToAsync(new[] { i, (byte)round }, new IPEndPoint(IPAddress.IPv6Loopback, port), Patience);
            for (int i = 0; i < 2; i++)
            {
                SocketReceiveFromResult asked = await server.ReceiveFromAsync(buffer.AsMemory(),
                    new IPEndPoint(IPAddress.Any, 0), Patience);
                Assert.Equal(2, asked.ReceivedBytes);
                await server.SendToAsync(new[] { buffer[0], buffer[1], (byte)9 }, asked.RemoteEndPoint, Patience);
            }

            for (byte i = 0; i < 2; i++)
            {
                Assert.Equal(3, await clients[i].ReceiveAsync(buffer.AsMemory(), Patience));
                Assert.Equal(new[] { i, (byte)round, (byte)9 }, buffer[..3]);
            }
        }

        // An empty one is a datagram too, and nobody listening is no end of all.
        int inside = PortOf(server);
        server.Dispose();
        await clients[0].SendToAsync(Array.Empty<byte>(), new IPEndPoint(IPAddress.IPv6Loopback, port), Patience);
        await Task.Delay(50, Patience);
        using Socket again = Udp(AddressFamily.InterNetwork);
        again.Bind(new IPEndPoint(IPAddress.Loopback, inside));
        await clients[0].SendToAsync(new byte[] { 7 }, new IPEndPoint(IPAddress.IPv6Loopback, port), Patience);
        int received;
        while ((received = await again.ReceiveAsync(buffer.AsMemory(), Patience)) == 0)
        {
            // the empty one, if it was on its way for so long
        }

        Assert.Equal((1, 7), (received, buffer[0]));
        foreach (Socket client in clients)
            client.Dispose();
    }

    [Fact]
    public async Task No_more_clients_are_remembered_than_there_may_be()
    {
        (LoopbackRelay relay, ushort port, Socket server) = Start(PortProtocol.Udp);
        using LoopbackRelay _ = relay;
        using Socket __ = server;
        var buffer = new byte[10];
        for (int i = 0; i < LoopbackRelay.MaxClients + 20; i++)
        {
            using Socket client = Udp();
            await client.SendToAsync(new byte[] { 1 }, new IPEndPoint(IPAddress.IPv6Loopback, port), Patience);
            Assert.Equal(1, await server.ReceiveAsync(buffer.AsMemory(), Patience));
        }

        // Its own, and one for each client; a number that a socket has again is the same client.
        Assert.InRange(relay.OpenSockets, LoopbackRelay.MaxClients - 100, LoopbackRelay.MaxClients + 1);
    }

    [Fact]
    public void A_port_that_a_program_has_is_told()
    {
        ushort port = FreePort(Tcp);
        using Socket taken = Tcp();
        taken.Bind(new IPEndPoint(IPAddress.IPv6Loopback, port));
        taken.Listen();
        LinuxException e = Assert.Throws<LinuxException>(() => LoopbackRelay.Listen([new PublishedPort(port, 80)]));
        Assert.Equal(Errno.EADDRINUSE, e.Errno);
        Assert.Contains($"{port}:80/tcp", e.Message);
    }

    [Fact]
    public void Ports_of_other_addresses_and_of_sctp_are_none_of_its()
    {
        ushort port = FreePort(Tcp);
        Assert.Null(LoopbackRelay.Listen([new PublishedPort(port, 80) { HostAddress = IPAddress.Loopback },
            new PublishedPort(port, 80) { Protocol = PortProtocol.Sctp }]));
        using LoopbackRelay? own = LoopbackRelay.Listen([new PublishedPort(port, 80) { HostAddress = IPAddress.IPv6Loopback }]);
        Assert.NotNull(own);
    }
}
