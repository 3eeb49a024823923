namespace Isolation.Net.Nftables;

/// <summary>How a packet is refused.</summary>
public enum NftRejection
{
    /// <summary>By an ICMP message: port unreachable.</summary>
    PortUnreachable,

    /// <summary>By an ICMP message: administratively prohibited.</summary>
    AdminProhibited,

    /// <summary>By an ICMP message: host unreachable.</summary>
    HostUnreachable,

    /// <summary>By an ICMP message: no route.</summary>
    NoRoute,

    /// <summary>By a TCP reset.</summary>
    TcpReset,

    /// <summary>By an ICMP message of a family's own code, as read.</summary>
    Other,
}
