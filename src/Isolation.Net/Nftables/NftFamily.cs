namespace Isolation.Net.Nftables;

/// <summary>The packets that a table sees: <c>NFPROTO_*</c>. See nft(8), "Address families".</summary>
public enum NftFamily : byte
{
    /// <summary>IPv4 and IPv6: <c>inet</c>.</summary>
    Inet = 1,

    /// <summary>IPv4: <c>ip</c>.</summary>
    IPv4 = 2,

    /// <summary>ARP: <c>arp</c>.</summary>
    Arp = 3,

    /// <summary>What comes in by and goes out of single links: <c>netdev</c>.</summary>
    Netdev = 5,

    /// <summary>What bridges forward: <c>bridge</c>.</summary>
    Bridge = 7,

    /// <summary>IPv6: <c>ip6</c>.</summary>
    IPv6 = 10,
}
