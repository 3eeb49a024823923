namespace Isolation.Net.Routing;

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
