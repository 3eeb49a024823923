using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables;

internal static class NftNames
{
    // NFT_NAME_MAXLEN without the NUL
    private const int MaxName = 255;

    private static readonly (NftHook Hook, uint Number, NftFamily[] Families)[] s_hooks =
    [
        (NftHook.Prerouting, Nfnetlink.NF_INET_PRE_ROUTING, [NftFamily.Inet, NftFamily.IPv4, NftFamily.IPv6, NftFamily.Bridge]),
        (NftHook.Input, Nfnetlink.NF_INET_LOCAL_IN, [NftFamily.Inet, NftFamily.IPv4, NftFamily.IPv6, NftFamily.Bridge]),
        (NftHook.Forward, Nfnetlink.NF_INET_FORWARD, [NftFamily.Inet, NftFamily.IPv4, NftFamily.IPv6, NftFamily.Bridge]),
        (NftHook.Output, Nfnetlink.NF_INET_LOCAL_OUT, [NftFamily.Inet, NftFamily.IPv4, NftFamily.IPv6, NftFamily.Bridge]),
        (NftHook.Postrouting, Nfnetlink.NF_INET_POST_ROUTING, [NftFamily.Inet, NftFamily.IPv4, NftFamily.IPv6, NftFamily.Bridge]),
        (NftHook.Ingress, Nfnetlink.NF_INET_INGRESS, [NftFamily.Inet]),
        (NftHook.Ingress, Nfnetlink.NF_NETDEV_INGRESS, [NftFamily.Netdev]),
        (NftHook.Egress, Nfnetlink.NF_NETDEV_EGRESS, [NftFamily.Netdev]),
        (NftHook.Input, 0, [NftFamily.Arp]),
        (NftHook.Output, 1, [NftFamily.Arp]),
    ];

    internal static string Of(NftFamily family) => family switch
    {
        NftFamily.IPv4 => "ip",
        NftFamily.IPv6 => "ip6",
        _ => family.ToString().ToLowerInvariant(),
    };

    internal static string Of(NftHook hook) => hook.ToString().ToLowerInvariant();

    internal static string Of(NftChainType type) => type.ToString().ToLowerInvariant();

    internal static uint Number(NftFamily family, NftHook hook)
    {
        foreach ((NftHook name, uint number, NftFamily[] families) in s_hooks)
        {
            if (name == hook && families.Contains(family))
                return number;
        }

        throw new ArgumentException($"Tables of the family {Of(family)} have no hook {Of(hook)}.");
    }

    internal static NftHook Hook(NftFamily family, uint number)
    {
        foreach ((NftHook hook, uint found, NftFamily[] families) in s_hooks)
        {
            if (found == number && families.Contains(family))
                return hook;
        }

        throw NetlinkException.Malformed($"A chain of the family {Of(family)} has hook {number}.");
    }

    /// <summary>Checks the name of a table, chain, set or object as nft(8) does.</summary>
    internal static string Check(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        int length = System.Text.Encoding.UTF8.GetByteCount(name);
        if (length > MaxName)
            throw new ArgumentException($"\"{name}\" cannot be a name in nftables: it has {length} bytes, and at most {MaxName} are "
                + "possible.", nameof(name));
        // The kernel's own anonymous sets have a % in their names.
        bool good = name.Length > 0 && (char.IsAsciiLetter(name[0]) || name[0] == '_')
            && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.' or '/' or '\\' or '%');
        return good
            ? name
            : throw new ArgumentException($"\"{name}\" cannot be a name in nftables: it begins with a letter, and has letters, digits, "
                + "and the characters _ - . / \\.", nameof(name));
    }

    /// <summary>A priority by the names that nft(8) prints.</summary>
    internal static string Priority(NftFamily family, NftHook hook, int priority)
    {
        const int Near = 10;
        (string Name, int Value)[] names = family switch
        {
            NftFamily.Bridge => [("filter", -200), ("dstnat", -300), ("out", 100), ("srcnat", 300)],
            NftFamily.Arp or NftFamily.Netdev => [("filter", 0)],
            _ => [("raw", -300), ("mangle", -150), ("dstnat", -100), ("filter", 0), ("security", 50), ("srcnat", 100)],
        };
        foreach ((string name, int value) in names)
        {
            bool here = name switch
            {
                "dstnat" => hook == NftHook.Prerouting,
                "srcnat" => hook == NftHook.Postrouting,
                "out" => hook == NftHook.Output,
                _ => true,
            };
            if (here && Math.Abs(priority - value) <= Near)
                return priority == value
                    ? name
                    : System.FormattableString.Invariant($"{name} {(priority > value ? "+" : "-")} {Math.Abs(priority - value)}");
        }

        return System.FormattableString.Invariant($"{priority}");
    }
}
