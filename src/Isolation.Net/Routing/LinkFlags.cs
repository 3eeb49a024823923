namespace Isolation.Net.Routing;

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
