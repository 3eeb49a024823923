using System.Collections.Immutable;
using Isolation.Net.Netlink;
using Isolation.Net.Routing;
using Isolation.Net.TrafficControl;

namespace Isolation.Containers;

/// <summary>What the kernel forgets of a link that moves to another network namespace, beside its addresses and routes: queueing
/// disciplines with their classes and filters, neighbours that were set, and the sysctls of the link.</summary>
/// <remarks>Not kept: what this user may not read; programs of BPF filters, which have no name to be loaded by; chains of filters; entries
/// of a bridge's tables; multicast groups.</remarks>
internal sealed class ForgottenSettings
{
    private static readonly string[] s_directories = ["ipv4/conf", "ipv6/conf", "ipv4/neigh", "ipv6/neigh", "mpls/conf"];

    private readonly ImmutableArray<Neighbour> _neighbours;
    private readonly ImmutableArray<Qdisc> _qdiscs;
    private readonly ImmutableArray<TcClass> _classes;
    private readonly ImmutableArray<TcFilter> _filters;
    private readonly Dictionary<string, string> _sysctls;

    private ForgottenSettings(RouteSocket host, Link link)
    {
        _neighbours =
        [
            .. host.ReadNeighbours().Where(n => n.LinkIndex == link.Index && n.State.HasFlag(NeighbourStates.Permanent)),
            .. host.ReadProxyNeighbours().Where(n => n.LinkIndex == link.Index),
        ];
        // Without a number it is the kernel's default.
        _qdiscs = [.. host.ReadQdiscs(link.Index).Where(q => q.Handle.Major != 0)];
        _classes = _qdiscs.IsEmpty ? [] : [.. host.ReadClasses(link.Index)];
        _filters = [.. Parents().Distinct().SelectMany(p => host.ReadFilters(link.Index, p)).Distinct()];
        _sysctls = ReadSysctls(link.Name!);
    }

    /// <summary>Reads them, before the link moves.</summary>
    internal static ForgottenSettings Read(RouteSocket host, Link link) => new(host, link);

    /// <summary>Sets the sysctls of the link again that differ. Before it is up: some decide which addresses it has.</summary>
    internal void RestoreSysctls(string link)
    {
        foreach ((string path, string value) in ReadSysctls(link))
        {
            if (!_sysctls.TryGetValue(path, out string? wanted) || wanted == value)
                continue;
            try
            {
                File.WriteAllText(PathOf(path, link), wanted);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // one that can only be read, or that holds no longer
            }
        }
    }

    /// <summary>Makes the neighbours and the disciplines again.</summary>
    internal void Restore(RouteSocket host, int link)
    {
        foreach (Neighbour neighbour in _neighbours)
            Try(host, neighbour with { LinkIndex = link });
        // Each after what it is within: the kernel takes a class whose parent is not there for one of the outermost.
        List<TcObject> rest = [.. _qdiscs, .. _classes];
        while (rest.Where(o => rest.All(other => !IsWithin(o, other))).ToArray() is { Length: > 0 } next)
        {
            rest.RemoveAll(next.Contains);
            foreach (TcObject one in next)
                Try(host, one with { LinkIndex = link });
        }

        foreach (TcFilter filter in _filters)
            Try(host, filter with { LinkIndex = link });
    }

    private IEnumerable<TcHandle> Parents()
    {
        foreach (Qdisc qdisc in _qdiscs)
        {
            if (qdisc is not ClsactQdisc)
                yield return qdisc.Handle;
            if (qdisc is ClsactQdisc)
            {
                yield return TcHandle.ClsactIngress;
                yield return TcHandle.ClsactEgress;
            }
        }

        foreach (TcClass one in _classes)
            yield return one.Handle;
    }

    /// <summary>By their paths, without the link's name.</summary>
    private static Dictionary<string, string> ReadSysctls(string link)
    {
        var found = new Dictionary<string, string>();
        foreach (string directory in s_directories)
        {
            try
            {
                foreach (string path in Directory.EnumerateFiles(PathOf(directory + "/", link)))
                    Read(path, directory + "/" + Path.GetFileName(path));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // a kernel, or a link, without that
            }
        }

        return found;

        void Read(string path, string key)
        {
            try
            {
                found[key] = File.ReadAllText(path);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // one that is not set, or write-only
            }
        }
    }

    /// <summary><c>ipv4/conf/NAME</c> of a link.</summary>
    private static string PathOf(string key, string link)
    {
        int slash = key.LastIndexOf('/');
        return $"/proc/sys/net/{key[..slash]}/{link}/{key[(slash + 1)..]}";
    }

    private static bool IsWithin(TcObject one, TcObject other) => !ReferenceEquals(one, other)
        && (one.Parent == other.Handle || (one is TcClass && other is Qdisc && one.Handle.Major == other.Handle.Major));

    private static void Try(RouteSocket host, RouteObject wanted)
    {
        try
        {
            host.Replace(wanted);
        }
        catch (NetlinkException)
        {
            // a kind whose parts cannot be set as they are told, or an address that is none of the link's networks any more
        }
    }
}
