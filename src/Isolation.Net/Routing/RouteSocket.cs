using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Net;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;
using Isolation.Net.TrafficControl;

namespace Isolation.Net.Routing;

/// <summary>Reads and changes the network configuration of one network namespace:
/// links, addresses, routes, rules, neighbours, traffic control.</summary>
/// <remarks>rtnetlink(7). Reading needs no privileges; changes need <c>CAP_NET_ADMIN</c> in the user namespace that owns the network. Not
/// for several threads at once.</remarks>
/// <example><code>
/// using RouteSocket route = RouteSocket.Open();
/// foreach (Link link in route.ReadLinks())
///     Console.WriteLine($"{link.Index}: {link.Name} mtu {link.Mtu}");
/// </code></example>
public sealed class RouteSocket : IDisposable
{
    private readonly NetlinkSocket _socket;
    private readonly NetlinkWriter _writer = new();

    internal RouteSocket(NetlinkSocket socket) => _socket = socket;

    /// <summary>The socket itself.</summary>
    public NetlinkSocket Socket => _socket;

    /// <summary>Opens a socket.</summary>
    /// <param name="networkNamespace">The network namespace:
    /// a descriptor of it, or a pidfd of a process in it; null for the caller's.</param>
    /// <exception cref="LinuxException"><c>EPERM</c>: no <c>CAP_SYS_ADMIN</c> over that network namespace.</exception>
    public static RouteSocket Open(LinuxHandle? networkNamespace = null) =>
        new(NetlinkSocket.Open(NetlinkProtocol.Route, networkNamespace));

    /// <summary>Adds an object.</summary>
    /// <exception cref="NetlinkException"><c>EEXIST</c>: it is there already. <c>EPERM</c>: no <c>CAP_NET_ADMIN</c>.</exception>
    public void Add(RouteObject added) => Execute(added, RouteVerb.Add);

    /// <summary>Adds an object, or puts it in the place of the one that is there.</summary>
    /// <exception cref="NetlinkException">The kernel refused it.</exception>
    public void Replace(RouteObject replaced) => Execute(replaced, RouteVerb.Replace);

    /// <summary>Adds a route behind the others to the same destination.</summary>
    /// <exception cref="NetlinkException">The kernel refused it.</exception>
    public void Append(RouteObject appended) => Execute(appended, RouteVerb.Append);

    /// <summary>Changes an object that is there: what is null is left as it is.</summary>
    /// <exception cref="NetlinkException"><c>ENODEV</c>, <c>ENOENT</c>: it is not there.</exception>
    public void Change(RouteObject changed) => Execute(changed, RouteVerb.Change);

    /// <summary>Deletes an object.</summary>
    /// <exception cref="NetlinkException"><c>ENODEV</c>, <c>ENOENT</c>, <c>ESRCH</c>, <c>EADDRNOTAVAIL</c>: it is not there.</exception>
    public void Delete(RouteObject deleted) => Execute(deleted, RouteVerb.Delete);

    /// <summary>A batch of requests that are sent together.</summary>
    public RouteBatch CreateBatch() => new(_socket);

    /// <summary>Sets a link up, or down.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="up">Whether up.</param>
    /// <exception cref="NetlinkException"><c>ENODEV</c>: there is no such link.</exception>
    public void SetUp(string name, bool up = true) => Change(new Link { Name = name, Up = up });

    /// <summary>Reads a link by its name or by an alternative name.</summary>
    /// <exception cref="NetlinkException"><c>ENODEV</c>: there is no such link.</exception>
    public Link GetLink(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        return GetLink(0, name, $"\"{name}\"");
    }

    /// <summary>Reads a link by its index.</summary>
    /// <exception cref="NetlinkException"><c>ENODEV</c>: there is no such link.</exception>
    public Link GetLink(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(index);
        return GetLink(index, null, $"with index {index}");
    }

    /// <summary>Reads a link by its name; null where there is none.</summary>
    public Link? FindLink(string name)
    {
        try
        {
            return GetLink(name);
        }
        catch (NetlinkException e) when (e.Errno == Errno.ENODEV)
        {
            return null;
        }
    }

    /// <summary>Reads all links.</summary>
    /// <param name="statistics">Whether what went over them is read too, which is the larger part of the work.</param>
    public ImmutableArray<Link> ReadLinks(bool statistics = true)
    {
        Span<byte> header = stackalloc byte[16];
        header.Clear();
        _writer.Clear();
        _writer.Begin(Rtnetlink.RTM_GETLINK, 0, header);
        if (!statistics)
            _writer.PutUInt32(IfLink.IFLA_EXT_MASK, Rtnetlink.RTEXT_FILTER_SKIP_STATS);
        _writer.End();
        return Dump("read", "the links", static (_, payload) => Link.Read(payload));
    }

    /// <summary>Reads addresses.</summary>
    /// <param name="linkIndex">Of this link only; null for all.</param>
    public ImmutableArray<Address> ReadAddresses(int? linkIndex = null)
    {
        Span<byte> header = stackalloc byte[8];
        header.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(header[4..], linkIndex ?? 0);
        return Dump(Rtnetlink.RTM_GETADDR, header, "the addresses", static (_, payload) => Address.Read(payload));
    }

    /// <summary>Reads routes.</summary>
    /// <param name="table">Of this table only; <see cref="Route.AllTables"/> for every one; null for the main one.</param>
    public ImmutableArray<Route> ReadRoutes(uint? table = null)
    {
        uint wanted = table ?? Route.MainTable;
        // Of both families; a kernel whose other family has no such table refuses its part.
        return [.. ReadRoutes(2, wanted), .. ReadRoutes(10, wanted)];
    }

    /// <summary>Asks which route a packet would take.</summary>
    /// <param name="destination">Where it goes.</param>
    /// <param name="source">Where it comes from; null leaves that to the kernel.</param>
    /// <exception cref="NetlinkException"><c>ENETUNREACH</c>: none.</exception>
    public Route GetRoute(IPAddress destination, IPAddress? source = null)
    {
        ArgumentNullException.ThrowIfNull(destination);
        Span<byte> header = stackalloc byte[12];
        header.Clear();
        header[0] = AddressText.Family(destination);
        header[1] = (byte)(NetlinkWriter.LengthOf(destination) * 8);
        header[2] = (byte)(source is null ? 0 : NetlinkWriter.LengthOf(source) * 8);
        _writer.Clear();
        _writer.Begin(Rtnetlink.RTM_GETROUTE, 0, header);
        _writer.PutAddress(Rtnetlink.RTA_DST, destination);
        if (source is not null)
            _writer.PutAddress(Rtnetlink.RTA_SRC, source);
        _writer.End();
        return One("find the route to", destination, static (_, payload) => Route.Read(payload));
    }

    /// <summary>Reads the rules of policy routing.</summary>
    public ImmutableArray<Rule> ReadRules() => [.. ReadRules(2), .. ReadRules(10)];

    /// <summary>Reads the neighbours.</summary>
    public ImmutableArray<Neighbour> ReadNeighbours() => ReadNeighbours(flags: 0);

    /// <summary>Reads the neighbours that this host answers for: <c>ip neighbour show proxy</c>.</summary>
    public ImmutableArray<Neighbour> ReadProxyNeighbours() => ReadNeighbours(NeighbourAbi.NTF_PROXY);

    private ImmutableArray<Neighbour> ReadNeighbours(byte flags)
    {
        Span<byte> header = stackalloc byte[12];
        header.Clear();
        header[10] = flags;
        return [.. Dump(Rtnetlink.RTM_GETNEIGH, header, "the neighbours", static (_, payload) => Neighbour.Read(payload))
            .OfType<Neighbour>()];
    }

    /// <summary>Reads the nexthop objects.</summary>
    public ImmutableArray<Nexthop> ReadNexthops()
    {
        Span<byte> header = stackalloc byte[8];
        header.Clear();
        return Dump(Rtnetlink.RTM_GETNEXTHOP, header, "the nexthops", static (_, payload) => Nexthop.Read(payload));
    }

    /// <summary>Reads the buckets of resilient groups of nexthops. Since Linux 5.13.</summary>
    /// <param name="group">Of this group only; null for all.</param>
    public ImmutableArray<NexthopBucket> ReadNexthopBuckets(uint? group = null)
    {
        Span<byte> header = stackalloc byte[8];
        header.Clear();
        _writer.Clear();
        _writer.Begin(Rtnetlink.RTM_GETNEXTHOPBUCKET, 0, header);
        if (group is { } id)
            _writer.PutUInt32(NexthopAbi.NHA_ID, id);
        _writer.End();
        return Dump("read", "the buckets of nexthops", static (_, payload) => NexthopBucket.Read(payload));
    }

    /// <summary>Reads the queueing disciplines.</summary>
    /// <param name="linkIndex">Of this link only; null for all.</param>
    public ImmutableArray<Qdisc> ReadQdiscs(int? linkIndex = null)
    {
        // The kernel gives those of every link whatever it is asked.
        ImmutableArray<Qdisc> all = Dump(Rtnetlink.RTM_GETQDISC, TcMessage(0), "the queueing disciplines",
            static (_, payload) => Qdisc.Read(payload));
        return linkIndex is { } index ? [.. all.Where(q => q.LinkIndex == index)] : all;
    }

    /// <summary>Reads the classes of a link.</summary>
    public ImmutableArray<TcClass> ReadClasses(int linkIndex) =>
        Dump(Rtnetlink.RTM_GETTCLASS, TcMessage(linkIndex), "the classes", static (_, payload) => TcClass.Read(payload));

    /// <summary>Reads the filters of a queueing discipline or class.</summary>
    /// <param name="linkIndex">The link.</param>
    /// <param name="parent">What they belong to.</param>
    public ImmutableArray<TcFilter> ReadFilters(int linkIndex, TcHandle parent)
    {
        byte[] header = TcMessage(linkIndex);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(12), parent.Value);
        return [.. Dump(Rtnetlink.RTM_GETTFILTER, header, "the filters", static (_, payload) => TcFilter.Read(payload)).OfType<TcFilter>()];
    }

    /// <summary>Closes the socket.</summary>
    public void Dispose() => _socket.Dispose();

    private void Execute(RouteObject subject, RouteVerb verb)
    {
        _writer.Clear();
        try
        {
            subject.Write(_writer, verb);
            _socket.Execute(_writer, "", "");
        }
        catch (NetlinkException e) when (e.Action.Length == 0)
        {
            // The text is made only for what failed.
            throw new NetlinkException(verb.Phrase(subject.Noun), subject.Subject, e);
        }
        finally
        {
            _writer.Clear(); // lets go of descriptors that were named
        }
    }

    private Link GetLink(int index, string? name, string subject)
    {
        Span<byte> header = stackalloc byte[16];
        header.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(header[4..], index);
        _writer.Clear();
        _writer.Begin(Rtnetlink.RTM_GETLINK, 0, header);
        if (name is not null)
            _writer.PutText(LinkNames.IsShort(name) ? IfLink.IFLA_IFNAME : IfLink.IFLA_ALT_IFNAME,
                LinkNames.Check(name, alternative: true));
        _writer.End();
        return One("find link", subject, static (_, payload) => Link.Read(payload));
    }

    private T One<T>(string action, object subject, Reader<T> read)
    {
        var found = new List<T>();
        _socket.Execute(_writer, action, subject, (found, read),
            static (type, payload, state) => state.found.Add(state.read(type, payload)));
        return found.Count > 0
            ? found[0]
            : throw NetlinkException.Malformed($"The answer to a request to {action} {subject} has nothing in it.");
    }

    private ImmutableArray<Route> ReadRoutes(byte family, uint table)
    {
        Span<byte> header = stackalloc byte[12];
        header.Clear();
        header[0] = family;
        _writer.Clear();
        _writer.Begin(Rtnetlink.RTM_GETROUTE, 0, header);
        _writer.PutUInt32(Rtnetlink.RTA_TABLE, table);
        _writer.End();
        try
        {
            return Dump("read", "the routes", static (_, payload) => Route.Read(payload));
        }
        catch (NetlinkException e) when (e.Errno is Errno.ENOENT or Errno.EAFNOSUPPORT)
        {
            return []; // there is no such table, or no such family
        }
    }

    private ImmutableArray<Rule> ReadRules(byte family)
    {
        Span<byte> header = stackalloc byte[12];
        header.Clear();
        header[0] = family;
        try
        {
            return Dump(Rtnetlink.RTM_GETRULE, header, "the rules", static (_, payload) => Rule.Read(payload));
        }
        catch (NetlinkException e) when (e.Errno is Errno.EAFNOSUPPORT or Errno.EOPNOTSUPP)
        {
            return [];
        }
    }

    private static byte[] TcMessage(int linkIndex)
    {
        var header = new byte[20];
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(4), linkIndex);
        return header;
    }

    private ImmutableArray<T> Dump<T>(ushort type, ReadOnlySpan<byte> header, string subject, Reader<T> read)
    {
        _writer.Clear();
        _writer.Begin(type, 0, header);
        _writer.End();
        return Dump("read", subject, read);
    }

    private ImmutableArray<T> Dump<T>(string action, string subject, Reader<T> read)
    {
        var found = ImmutableArray.CreateBuilder<T>();
        _socket.Dump(_writer, action, subject, (found, read), static state => state.found.Clear(),
            static (type, payload, state) => state.found.Add(state.read(type, payload)));
        return found.DrainToImmutable();
    }

    private delegate T Reader<out T>(ushort type, ReadOnlySpan<byte> payload);
}
