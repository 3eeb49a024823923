using System.Net;
using System.Net.Sockets;
using Isolation.Linux;
using Isolation.Linux.Syscalls;

namespace Isolation.Containers;

/// <summary>Ports of the host that lead to a container, held by sockets that are bound to them and never listen: a program of the host that
/// wants one is refused, in the place of waiting for clients that the filter leads past it.</summary>
/// <remarks>What leads from <c>::1</c> is held by the <see cref="LoopbackRelay"/>, which listens there; a program on all addresses of IPv6
/// is refused by that as well. It ends with this process, also where the container outlives it.</remarks>
internal sealed class PortHold : IDisposable
{
    private const int MaxAttempts = 100;

    /// <summary>The ports that were chosen and not yet taken, each with its sockets.</summary>
    private static readonly Dictionary<(PortProtocol Protocol, string Address, int Number), List<Socket>> s_chosen = [];

    private readonly List<Socket> _sockets = [];

    private PortHold()
    {
    }

    /// <summary>Begins with none.</summary>
    internal static PortHold Begin() => new();

    /// <summary>Finds a port that nobody has, and keeps it until <see cref="Take"/>, or the end of this process.</summary>
    internal static ushort Choose(IPAddress? address, PortProtocol protocol)
    {
        IPAddress[] addresses = address is null ? [IPAddress.Any, IPAddress.IPv6Any] : [address];
        for (int attempt = 0; ; attempt++)
        {
            var sockets = new List<Socket>();
            try
            {
                int number = 0;
                foreach (IPAddress one in addresses)
                {
                    if (Bind(one, number, protocol) is not { } socket)
                        continue;
                    sockets.Add(socket);
                    number = ((IPEndPoint)socket.LocalEndPoint!).Port;
                }

                if (number == 0)
                    throw new SocketException((int)SocketError.ProtocolNotSupported);
                lock (s_chosen)
                    s_chosen[Key(protocol, address, number)] = sockets;
                return (ushort)number;
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse && attempt < MaxAttempts)
            {
                // free in one family, and not in the other
                sockets.ForEach(s => s.Dispose());
            }
            catch
            {
                sockets.ForEach(s => s.Dispose());
                throw;
            }
        }
    }

    /// <summary>Takes a port for a container.</summary>
    /// <param name="port">The port.</param>
    /// <param name="offset">Which of its range.</param>
    /// <param name="addresses">Where a program of the host would listen that the port passes by.</param>
    /// <exception cref="LinuxException"><c>EADDRINUSE</c>: a program has it.</exception>
    internal void Take(PublishedPort port, int offset, IEnumerable<IPAddress> addresses)
    {
        int number = port.HostPort + offset;
        List<Socket>? chosen;
        lock (s_chosen)
            s_chosen.Remove(Key(port.Protocol, port.HostAddress, number), out chosen);
        // What the relay is about to listen at it can have only when it is let go; IPv4 is held all the while.
        foreach (Socket socket in chosen ?? [])
        {
            if (IsRelayed(port, ((IPEndPoint)socket.LocalEndPoint!).Address))
                socket.Dispose();
            else
                _sockets.Add(socket);
        }

        foreach (IPAddress address in addresses)
        {
            if (IsRelayed(port, address))
                Probe(port, address, number);
            else if (chosen is null)
                Hold(port, address, number);
        }
    }

    /// <summary>Lets go of all.</summary>
    public void Dispose()
    {
        _sockets.ForEach(s => s.Dispose());
        _sockets.Clear();
    }

    private static bool IsRelayed(PublishedPort port, IPAddress address) => port.Protocol != PortProtocol.Sctp
        && (address.Equals(IPAddress.IPv6Any) || address.Equals(IPAddress.IPv6Loopback));

    private void Hold(PublishedPort port, IPAddress address, int number)
    {
        try
        {
            if (Bind(address, number, port.Protocol) is { } socket)
                _sockets.Add(socket);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse && port.Protocol == PortProtocol.Tcp)
        {
            // Connections of a program that has ended are in the way for a minute, and for nobody but who would hold the port.
            Probe(port, address, number);
        }
        catch (SocketException e)
        {
            throw Refused(port, address, e);
        }
    }

    /// <summary>Asks whether a program of the host has a port.</summary>
    private static void Probe(PublishedPort port, IPAddress address, int number)
    {
        bool isUdp = port.Protocol == PortProtocol.Udp;
        try
        {
            // One of TCP the runtime binds with SO_REUSEADDR.
            using var socket = new Socket(address.AddressFamily, isUdp ? SocketType.Dgram : SocketType.Stream,
                isUdp ? ProtocolType.Udp : ProtocolType.Tcp);
            // Of IPv6 alone: the other family is asked for itself, and may be free.
            if (address.AddressFamily == AddressFamily.InterNetworkV6)
                socket.DualMode = false;
            socket.Bind(new IPEndPoint(address, number));
        }
        catch (SocketException e) when (port.OneAddress is null
            && e.SocketErrorCode is SocketError.AddressNotAvailable or SocketError.AddressFamilyNotSupported)
        {
            // a host without ::1: nobody listens there
        }
        catch (SocketException e)
        {
            throw Refused(port, address, e);
        }
    }

    /// <summary>Binds a socket that lets nobody else have the port; null where the host has no such protocol, or no IPv6.</summary>
    private static Socket? Bind(IPAddress address, int number, PortProtocol protocol)
    {
        Socket? socket = null;
        try
        {
            // The protocol is left out where the kind says it: the runtime would set SO_REUSEADDR for TCP, by which others could have it
            // too.
            socket = protocol == PortProtocol.Sctp ? OpenSctp(address.AddressFamily) : new Socket(address.AddressFamily,
                protocol == PortProtocol.Udp ? SocketType.Dgram : SocketType.Stream, ProtocolType.Unspecified);
            if (address.AddressFamily == AddressFamily.InterNetworkV6)
                socket.DualMode = false;
            socket.Bind(new IPEndPoint(address, number));
            return socket;
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.ProtocolNotSupported or SocketError.AddressFamilyNotSupported
            || (e.SocketErrorCode == SocketError.AddressNotAvailable && address.Equals(IPAddress.IPv6Any)))
        {
            socket?.Dispose();
            return null;
        }
        catch
        {
            socket?.Dispose();
            throw;
        }
    }

    /// <summary>The runtime knows no SCTP and refuses to open such a socket: sctp(7), IPPROTO_SCTP.</summary>
    private static Socket OpenSctp(AddressFamily family)
    {
        const uint AF_INET = 2, AF_INET6 = 10, SOCK_STREAM = 1, SOCK_CLOEXEC = 0x80000;
        SyscallResult opened = RawSyscall.Invoke(Syscall.socket, family == AddressFamily.InterNetworkV6 ? AF_INET6 : AF_INET,
            SOCK_STREAM | SOCK_CLOEXEC, (nuint)PortProtocol.Sctp);
        return opened.IsError ? throw new SocketException((int)SocketError.ProtocolNotSupported)
            : new Socket(new SafeSocketHandle((nint)opened.Value, ownsHandle: true));
    }

    private static LinuxException Refused(PublishedPort port, IPAddress address, SocketException e)
    {
        string where = address.Equals(IPAddress.IPv6Loopback) ? ", on ::1"
            : address.AddressFamily == AddressFamily.InterNetworkV6 ? ", on IPv6"
            : "";
        return LoopbackRelay.Refused(port, e, $"A program of the host listens there{where}.");
    }

    private static (PortProtocol Protocol, string Address, int Number) Key(PortProtocol protocol, IPAddress? address, int number) =>
        (protocol, address?.ToString() ?? "", number);
}
