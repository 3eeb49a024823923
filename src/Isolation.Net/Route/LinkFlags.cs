using System.Collections.Immutable;
using System.Net.NetworkInformation;

namespace Isolation.Net;

/// <summary>The state of a link: <c>IFF_*</c>, netdevice(7).</summary>
[Flags]
public enum LinkFlags : uint
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary><c>IFF_UP</c>: set up by somebody.</summary>
    Up = 0x1,

    /// <summary><c>IFF_BROADCAST</c>: has a broadcast address.</summary>
    Broadcast = 0x2,

    /// <summary><c>IFF_LOOPBACK</c>.</summary>
    Loopback = 0x8,

    /// <summary><c>IFF_POINTOPOINT</c>.</summary>
    PointToPoint = 0x10,

    /// <summary><c>IFF_RUNNING</c>: up, and able to send.</summary>
    Running = 0x40,

    /// <summary><c>IFF_NOARP</c>: addresses are not resolved on it.</summary>
    NoArp = 0x80,

    /// <summary><c>IFF_PROMISC</c>: takes all packets.</summary>
    Promiscuous = 0x100,

    /// <summary><c>IFF_ALLMULTI</c>: takes all multicast packets.</summary>
    AllMulticast = 0x200,

    /// <summary><c>IFF_MULTICAST</c>: can send multicast packets.</summary>
    Multicast = 0x1000,

    /// <summary><c>IFF_LOWER_UP</c>: the layer below it, or its peer, is up.</summary>
    LowerUp = 0x10000,
}

/// <summary>RFC 2863's state of a link: <c>IF_OPER_*</c>.</summary>
public enum OperationalState
{
    /// <summary>The kernel does not say.</summary>
    Unknown,

    /// <summary>A part is missing.</summary>
    NotPresent,

    /// <summary>Down.</summary>
    Down,

    /// <summary>The layer below it is down.</summary>
    LowerLayerDown,

    /// <summary>Testing.</summary>
    Testing,

    /// <summary>Waits for something, such as authentication.</summary>
    Dormant,

    /// <summary>Up.</summary>
    Up,
}

/// <summary>How a link makes its link-local IPv6 address: <c>IFLA_INET6_ADDR_GEN_MODE</c>.</summary>
public enum AddressGeneration
{
    /// <summary><c>eui64</c>: from its MAC address.</summary>
    Eui64,

    /// <summary><c>none</c>: it has none.</summary>
    None,

    /// <summary><c>stable_secret</c>: by RFC 7217.</summary>
    StablePrivacy,

    /// <summary><c>random</c>.</summary>
    Random,
}

/// <summary>What went over a link since it was made: <c>struct rtnl_link_stats64</c>.</summary>
public sealed record LinkStatistics
{
    /// <summary>Packets received.</summary>
    public ulong ReceivedPackets { get; init; }

    /// <summary>Packets sent.</summary>
    public ulong SentPackets { get; init; }

    /// <summary>Bytes received.</summary>
    public ulong ReceivedBytes { get; init; }

    /// <summary>Bytes sent.</summary>
    public ulong SentBytes { get; init; }

    /// <summary>Packets received with errors.</summary>
    public ulong ReceiveErrors { get; init; }

    /// <summary>Packets that could not be sent.</summary>
    public ulong SendErrors { get; init; }

    /// <summary>Packets received and dropped for want of room.</summary>
    public ulong ReceiveDropped { get; init; }

    /// <summary>Packets dropped on the way out.</summary>
    public ulong SendDropped { get; init; }

    /// <summary>Multicast packets received.</summary>
    public ulong Multicast { get; init; }

    internal static LinkStatistics Read(AttributeReader attribute)
    {
        ReadOnlySpan<byte> words = attribute.Struct(72);
        static ulong Word(ReadOnlySpan<byte> words, int index) =>
            System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(words[(index * 8)..]);
        return new LinkStatistics
        {
            ReceivedPackets = Word(words, 0),
            SentPackets = Word(words, 1),
            ReceivedBytes = Word(words, 2),
            SentBytes = Word(words, 3),
            ReceiveErrors = Word(words, 4),
            SendErrors = Word(words, 5),
            ReceiveDropped = Word(words, 6),
            SendDropped = Word(words, 7),
            Multicast = Word(words, 8),
        };
    }
}

/// <summary>Names and hardware addresses of links.</summary>
internal static class LinkNames
{
    /// <summary>IFNAMSIZ without the NUL.</summary>
    internal const int MaxLength = 15;

    // ALTIFNAMSIZ without the NUL
    private const int MaxAlternativeLength = 127;

    // What the kernel refuses, and what would end the name; isspace(3) of Latin-1 has the no-break space.
    private static readonly System.Buffers.SearchValues<char> s_forbidden = System.Buffers.SearchValues.Create("/:\0 \t\n\v\f\r\u00a0");

    /// <summary>Whether a name has no more bytes than a link's own may have; more are possible for an alternative one.</summary>
    internal static bool IsShort(string name) => System.Text.Encoding.UTF8.GetByteCount(name) <= MaxLength;

    /// <summary>Checks an interface's name as the kernel does.</summary>
    internal static string Check(string name, bool alternative = false)
    {
        ArgumentNullException.ThrowIfNull(name);
        int length = System.Text.Encoding.UTF8.GetByteCount(name), most = alternative ? MaxAlternativeLength : MaxLength;
        if (length > most)
            throw new ArgumentException($"Interface name \"{name}\" has {length} bytes; at most {most} are possible.", nameof(name));
        if (name is "" or "." or ".." || name.AsSpan().IndexOfAny(s_forbidden) >= 0)
            throw new ArgumentException($"\"{name.Replace("\0", "\\0", StringComparison.Ordinal)}\" cannot be an interface's name: "
                + "it must not be empty, \".\" or \"..\", nor contain white space, slashes or colons.", nameof(name));
        return name;
    }

    /// <summary>A hardware address with colons.</summary>
    internal static string Format(PhysicalAddress address) =>
        string.Join(':', address.GetAddressBytes().Select(b => b.ToString("x2", System.Globalization.CultureInfo.InvariantCulture)));

    internal static ImmutableArray<string> NamesIn(AttributeReader list)
    {
        var names = ImmutableArray.CreateBuilder<string>();
        AttributeReader nested = list.Nested;
        while (nested.MoveNext())
        {
            if (nested.Type == Isolation.Linux.Abi.IfLink.IFLA_ALT_IFNAME)
                names.Add(nested.Text);
        }

        return names.ToImmutable();
    }
}
