using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Events;

namespace Isolation.Net;

/// <summary>What a monitor tells of: the multicast groups of rtnetlink(7).</summary>
[Flags]
public enum RouteGroups
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Links.</summary>
    Links = 1,

    /// <summary>Addresses.</summary>
    Addresses = 2,

    /// <summary>Routes.</summary>
    Routes = 4,

    /// <summary>Neighbours.</summary>
    Neighbours = 8,

    /// <summary>Rules.</summary>
    Rules = 16,

    /// <summary>Queueing disciplines, classes and filters.</summary>
    TrafficControl = 32,

    /// <summary>All of them.</summary>
    All = Links | Addresses | Routes | Neighbours | Rules | TrafficControl,
}

/// <summary>Something was made, changed or deleted.</summary>
/// <param name="Subject">What, as it is now, or was.</param>
/// <param name="Deleted">Whether it is gone.</param>
public sealed record RouteEvent(RouteObject Subject, bool Deleted);

/// <summary>Tells of changes to the network configuration of one network namespace, from the moment that it is opened:
/// <c>ip monitor</c>.</summary>
/// <example><code>
/// using RouteMonitor monitor = RouteMonitor.Open(RouteGroups.Links);
/// await foreach (RouteEvent e in monitor.ReadAllAsync(cancellationToken))
///     Console.WriteLine(e);
/// </code></example>
public sealed class RouteMonitor : IDisposable
{
    private static readonly (RouteGroups Group, uint[] Numbers)[] s_groups =
    [
        (RouteGroups.Links, [Rtnetlink.RTNLGRP_LINK]),
        (RouteGroups.Addresses, [Rtnetlink.RTNLGRP_IPV4_IFADDR, Rtnetlink.RTNLGRP_IPV6_IFADDR]),
        (RouteGroups.Routes, [Rtnetlink.RTNLGRP_IPV4_ROUTE, Rtnetlink.RTNLGRP_IPV6_ROUTE]),
        (RouteGroups.Neighbours, [Rtnetlink.RTNLGRP_NEIGH]),
        (RouteGroups.Rules, [Rtnetlink.RTNLGRP_IPV4_RULE, Rtnetlink.RTNLGRP_IPV6_RULE]),
        (RouteGroups.TrafficControl, [Rtnetlink.RTNLGRP_TC]),
    ];

    private readonly NetlinkMonitor<RouteEvent> _monitor;

    private RouteMonitor(NetlinkSocket socket) => _monitor = new NetlinkMonitor<RouteEvent>(socket, Read);

    /// <summary>Opens a monitor; what happens from now on is told.</summary>
    /// <param name="groups">What is told of.</param>
    /// <param name="networkNamespace">The network namespace:
    /// a descriptor of it, or a pidfd of a process in it; null for the caller's.</param>
    /// <exception cref="LinuxException"><c>EPERM</c>: no <c>CAP_SYS_ADMIN</c> over that network namespace.</exception>
    public static RouteMonitor Open(RouteGroups groups, LinuxHandle? networkNamespace = null)
    {
        NetlinkSocket socket = NetlinkSocket.Open(NetlinkProtocol.Route, networkNamespace);
        try
        {
            foreach ((RouteGroups group, uint[] numbers) in s_groups)
            {
                foreach (uint number in groups.HasFlag(group) ? numbers : [])
                    socket.Join(number);
            }

            return new RouteMonitor(socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>The changes, as they happen, without end. One reader at a time; another one that begins later goes on where that
    /// stopped.</summary>
    /// <exception cref="NetlinkException"><c>ENOBUFS</c>: there were more than could be told; what was read before is old. A reader that
    /// begins then is told what happens from there on.</exception>
    public IAsyncEnumerable<RouteEvent> ReadAllAsync(CancellationToken cancellationToken = default) =>
        _monitor.ReadAllAsync(cancellationToken);

    /// <summary>Closes the monitor; a reader comes to the end.</summary>
    public void Dispose() => _monitor.Dispose();

    internal static RouteEvent? Read(ushort type, ReadOnlySpan<byte> payload) => type switch
    {
        Rtnetlink.RTM_NEWLINK or Rtnetlink.RTM_DELLINK => new RouteEvent(Link.Read(payload), type == Rtnetlink.RTM_DELLINK),
        Rtnetlink.RTM_NEWADDR or Rtnetlink.RTM_DELADDR => new RouteEvent(Address.Read(payload), type == Rtnetlink.RTM_DELADDR),
        Rtnetlink.RTM_NEWROUTE or Rtnetlink.RTM_DELROUTE => new RouteEvent(Route.Read(payload), type == Rtnetlink.RTM_DELROUTE),
        Rtnetlink.RTM_NEWNEIGH or Rtnetlink.RTM_DELNEIGH => Neighbour.Read(payload) is { } neighbour
            ? new RouteEvent(neighbour, type == Rtnetlink.RTM_DELNEIGH)
            : null,
        Rtnetlink.RTM_NEWRULE or Rtnetlink.RTM_DELRULE => new RouteEvent(Rule.Read(payload), type == Rtnetlink.RTM_DELRULE),
        Rtnetlink.RTM_NEWQDISC or Rtnetlink.RTM_DELQDISC => new RouteEvent(Qdisc.Read(payload), type == Rtnetlink.RTM_DELQDISC),
        Rtnetlink.RTM_NEWTCLASS or Rtnetlink.RTM_DELTCLASS => new RouteEvent(TcClass.Read(payload), type == Rtnetlink.RTM_DELTCLASS),
        Rtnetlink.RTM_NEWTFILTER or Rtnetlink.RTM_DELTFILTER => TcFilter.Read(payload) is { } filter
            ? new RouteEvent(filter, type == Rtnetlink.RTM_DELTFILTER)
            : null,
        _ => null,
    };
}

/// <summary>Reads what the kernel sends to a socket of its own accord, on the event watcher's signal.</summary>
internal sealed class NetlinkMonitor<T> : IDisposable where T : class
{
    private readonly NetlinkSocket _socket;
    private readonly Reader _reader;
    private readonly Queue<T> _read = new();
    private readonly Channel<bool> _signals = Channel.CreateBounded<bool>(new BoundedChannelOptions(1)
    {
        FullMode = BoundedChannelFullMode.DropWrite
    });
    private readonly long _watch;

    internal NetlinkMonitor(NetlinkSocket socket, Reader read)
    {
        _socket = socket;
        _reader = read;
        _watch = DescriptorWatcher.Begin(socket.Handle, DescriptorWatcher.EPOLLIN, "a netlink monitor",
            (_, _) => _signals.Writer.TryWrite(true));
    }

    internal delegate T? Reader(ushort type, ReadOnlySpan<byte> payload);

    internal async IAsyncEnumerable<T> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (true)
        {
            // What a reader before has left goes first: it stopped, the changes did not.
            while (_read.TryDequeue(out T? seen))
                yield return seen;
            if (ReadOne())
                continue;
            DescriptorWatcher.Rearm(_watch, DescriptorWatcher.EPOLLIN);
            if (!await _signals.Reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false))
                yield break;
            _signals.Reader.TryRead(out _);
        }
    }

    public void Dispose()
    {
        DescriptorWatcher.End(_watch);
        _signals.Writer.TryComplete();
        _socket.Dispose();
    }

    /// <summary>Reads one datagram, where one is there.</summary>
    private bool ReadOne()
    {
        try
        {
            return Take();
        }
        catch (NetlinkException e) when (e.Errno == Errno.ENOBUFS)
        {
            // The kernel drops all that is new, and says so no more, until what is kept was read: it is, so that none is lost from here on.
            while (TryTake())
            {
            }

            throw;
        }
        catch (ObjectDisposedException)
        {
            return false; // the monitor was disposed by another thread
        }
    }

    private bool TryTake()
    {
        try
        {
            return Take();
        }
        catch (NetlinkException e) when (e.Errno == Errno.ENOBUFS)
        {
            return true;
        }
    }

    private bool Take()
    {
        ReadOnlySpan<byte> datagram = _socket.Receive("read", "changes", wait: false);
        if (datagram.IsEmpty)
            return false;
        while (!datagram.IsEmpty)
        {
            ReadOnlySpan<byte> message = NetlinkSocket.Next(ref datagram);
            if (_reader(NetlinkSocket.TypeOf(message), message[NetlinkWriter.HeaderLength..]) is { } seen)
                _read.Enqueue(seen);
        }

        return true;
    }
}
