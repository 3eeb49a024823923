using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Isolation.Linux;

namespace Isolation.Containers;

/// <summary>Carries what clients on this host's <c>::1</c> send to a container's published ports:
/// the kernel translates no addresses there, as it does on 127.0.0.0/8.</summary>
/// <remarks>TCP and UDP. It listens from the beginning, so that a port that is taken is told, and carries once it has a target.
/// It ends with this process, also where the container outlives it.</remarks>
internal sealed class LoopbackRelay : IDisposable
{
    private const int Backlog = 512, BufferSize = 1 << 16;

    /// <summary>The most clients of a UDP port that are remembered.</summary>
    internal const int MaxClients = 1024;

    // What the kernel takes for UDP with answers: nf_conntrack_udp_timeout_stream.
    private static readonly TimeSpan s_datagramPatience = TimeSpan.FromMinutes(2);

    private readonly List<(Socket Socket, PublishedPort Port, int Offset)> _listeners = [];
    private readonly HashSet<Socket> _open = [];
    private bool _disposed;

    private LoopbackRelay()
    {
    }

    /// <summary>How many sockets it holds.</summary>
    internal int OpenSockets
    {
        get
        {
            lock (_open)
                return _open.Count;
        }
    }

    /// <summary>Listens at the ports that lead to a container from every address, or from ::1.</summary>
    /// <returns>Null where there is no such port.</returns>
    /// <exception cref="LinuxException"><c>EADDRINUSE</c>: a program listens there.</exception>
    internal static LoopbackRelay? Listen(ImmutableArray<PublishedPort> ports)
    {
        PublishedPort[] wanted = [.. ports.Where(p => p.Protocol != PortProtocol.Sctp && p.IsAt(IPAddress.IPv6Loopback))];
        if (wanted.Length == 0)
            return null;
        var relay = new LoopbackRelay();
        try
        {
            foreach (PublishedPort port in wanted)
            {
                for (int i = 0; i < port.Count; i++)
                {
                    if (relay.Bind(port, i) is { } socket)
                        relay._listeners.Add((socket, port, i));
                }
            }

            return relay;
        }
        catch
        {
            relay.Dispose();
            throw;
        }
    }

    /// <summary>Begins to carry.</summary>
    /// <param name="targets">The container's addresses. Connections are made to the first where somebody listens, datagrams are sent to the
    /// first: many programs listen on one family only.</param>
    internal void Start(params IEnumerable<IPAddress> targets)
    {
        foreach ((Socket listener, PublishedPort port, int offset) in _listeners)
        {
            IPEndPoint[] ends = [.. targets.Select(t => new IPEndPoint(t, port.ContainerPort + offset))];
            _ = port.Protocol == PortProtocol.Tcp ? AcceptAsync(listener, ends) : ReceiveAsync(listener, ends[0]);
        }
    }

    /// <summary>Closes everything, connections too.</summary>
    public void Dispose()
    {
        lock (_open)
        {
            _disposed = true;
            foreach (Socket socket in _open)
                socket.Dispose();
            _open.Clear();
        }
    }

    private Socket? Bind(PublishedPort port, int offset)
    {
        Socket? socket = null;
        try
        {
            socket = Open(AddressFamily.InterNetworkV6, port.Protocol);
            socket.DualMode = false;
            socket.Bind(new IPEndPoint(IPAddress.IPv6Loopback, port.HostPort + offset));
            if (port.Protocol == PortProtocol.Tcp)
                socket.Listen(Backlog);
            return socket;
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.AddressNotAvailable or SocketError.AddressFamilyNotSupported)
        {
            // a host without IPv6: there is no ::1
            Close(socket);
            return null;
        }
        catch (SocketException e)
        {
            throw Refused(port, e, "A program of the host listens there, on ::1.");
        }
    }

    /// <summary>What to say of a port that cannot be had.</summary>
    internal static LinuxException Refused(PublishedPort port, SocketException e, string taken)
    {
        (Errno errno, string hint) = e.SocketErrorCode switch
        {
            SocketError.AddressAlreadyInUse => (Errno.EADDRINUSE, taken),
            SocketError.AddressNotAvailable => (Errno.EADDRNOTAVAIL, "The host has no such address."),
            SocketError.AccessDenied => (Errno.EACCES, "Ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE."),
            SocketError.TooManyOpenSockets =>
                (Errno.EMFILE, "Each port takes a descriptor of this process: raise its limit (RLIMIT_NOFILE), or publish fewer."),
            _ => (Errno.EIO, e.Message),
        };
        return new LinuxException("publish port", port.ToString(), "bind(2)", errno, remedy: hint);
    }

    private async Task AcceptAsync(Socket listener, IPEndPoint[] targets)
    {
        while (await TryAsync(() => listener.AcceptAsync()).ConfigureAwait(false) is { } accepted)
        {
            if (accepted.Result is { } client && Keep(client))
                _ = CarryAsync(client, targets);
        }
    }

    private async Task CarryAsync(Socket client, IPEndPoint[] targets)
    {
        Socket? server = null;
        foreach (IPEndPoint target in targets)
        {
            if ((server = await ConnectAsync(target).ConfigureAwait(false)) is not null)
                break;
        }

        if (server is null)
        {
            Break(client);
            return;
        }

        await Task.WhenAll(PumpAsync(client, server), PumpAsync(server, client)).ConfigureAwait(false);
        Close(client);
        Close(server);
    }

    /// <summary>Connects to the container; null where nobody listens there.</summary>
    private async Task<Socket?> ConnectAsync(IPEndPoint target)
    {
        Socket? server = null;
        try
        {
            server = Open(target.AddressFamily, PortProtocol.Tcp);
            await server.ConnectAsync(target).ConfigureAwait(false);
            return server;
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            Close(server);
            return null;
        }
    }

    /// <summary>Carries one direction until it ends, which the receiver is told; one that breaks ends both.</summary>
    private async Task PumpAsync(Socket from, Socket to)
    {
        var buffer = new byte[BufferSize];
        try
        {
            to.NoDelay = true;
            int count;
            while ((count = await from.ReceiveAsync(buffer.AsMemory()).ConfigureAwait(false)) > 0)
            {
                for (int sent = 0; sent < count;)
                    sent += await to.SendAsync(buffer.AsMemory(sent, count - sent)).ConfigureAwait(false);
            }

            to.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            Break(from, to);
        }
    }

    // Each client has a socket of its own towards the container: answers find their way back by it.
    private async Task ReceiveAsync(Socket listener, IPEndPoint target)
    {
        var clients = new Dictionary<EndPoint, (Socket Server, long Used)>();
        var buffer = new byte[BufferSize];
        long next = 0;
        while (await TryAsync(() => listener.ReceiveFromAsync(buffer.AsMemory(), new IPEndPoint(IPAddress.IPv6Any, 0)).AsTask())
            .ConfigureAwait(false) is { } received)
        {
            if (received.Result.RemoteEndPoint is not { } client)
                continue;
            long now = Environment.TickCount64;
            if (clients.Count >= MaxClients || now >= next)
            {
                ForgetSilent(clients, now);
                next = now + 1000;
            }

            try
            {
                if (!clients.TryGetValue(client, out (Socket Server, long Used) known))
                {
                    known.Server = Open(target.AddressFamily, PortProtocol.Udp);
                    await known.Server.ConnectAsync(target).ConfigureAwait(false);
                    _ = AnswerAsync(known.Server, listener, client);
                }

                clients[client] = (known.Server, now);
                await known.Server.SendAsync(buffer.AsMemory(0, received.Result.ReceivedBytes)).ConfigureAwait(false);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // Nobody listens in the container, or there are no more sockets: datagrams are lost, as they may be.
            }
        }
    }

    private static async Task AnswerAsync(Socket server, Socket listener, EndPoint client)
    {
        var buffer = new byte[BufferSize];
        while (await TryAsync(() => server.ReceiveAsync(buffer.AsMemory()).AsTask()).ConfigureAwait(false) is { } received)
        {
            if (received.Succeeded)
                await TryAsync(() => listener.SendToAsync(buffer.AsMemory(0, received.Result), client).AsTask()).ConfigureAwait(false);
        }
    }

    /// <summary>Tries a call on a socket. Null: the socket is closed. Without a result:
    /// it failed, which may be otherwise the next time.</summary>
    private static async Task<(T? Result, bool Succeeded)?> TryAsync<T>(Func<Task<T>> call)
    {
        try
        {
            return (await call().ConfigureAwait(false), true);
        }
        catch (ObjectDisposedException)
        {
            return null;
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.OperationAborted)
        {
            return null;
        }
        catch (SocketException)
        {
            // out of descriptors, or an error that the other side has sent
            await Task.Delay(10).ConfigureAwait(false);
            return (default, false);
        }
    }

    /// <summary>Drops clients that have been silent; where there are too many, the one that has been for the longest.</summary>
    private void ForgetSilent(Dictionary<EndPoint, (Socket Server, long Used)> clients, long now)
    {
        EndPoint[] silent = [.. clients.Where(c => now - c.Value.Used > (long)s_datagramPatience.TotalMilliseconds).Select(c => c.Key)];
        if (silent.Length == 0 && clients.Count >= MaxClients)
            silent = [clients.MinBy(c => c.Value.Used).Key];
        foreach (EndPoint client in silent)
        {
            if (clients.Remove(client, out (Socket Server, long Used) gone))
                Close(gone.Server);
        }
    }

    private Socket Open(AddressFamily family, PortProtocol protocol)
    {
        var socket = protocol == PortProtocol.Tcp
            ? new Socket(family, SocketType.Stream, ProtocolType.Tcp)
            : new Socket(family, SocketType.Dgram, ProtocolType.Udp);
        return Keep(socket) ? socket : throw new ObjectDisposedException(nameof(LoopbackRelay));
    }

    /// <summary>Remembers a socket; closes it where all are closed.</summary>
    private bool Keep(Socket socket)
    {
        lock (_open)
        {
            if (!_disposed && _open.Add(socket))
                return true;
        }

        socket.Dispose();
        return false;
    }

    private void Close(Socket? socket)
    {
        if (socket is null)
            return;
        lock (_open)
            _open.Remove(socket);
        socket.Dispose();
    }

    // The other sides are to see a connection that broke, not one that ended.
    private void Break(params ReadOnlySpan<Socket?> sockets)
    {
        foreach (Socket? socket in sockets)
        {
            try
            {
                socket?.LingerState = new LingerOption(enable: true, seconds: 0);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // it is closed
            }

            Close(socket);
        }
    }
}
