namespace Isolation.Net.Routing;

/// <summary>Who made a route: <c>RTPROT_*</c>. Other numbers are free for other programs.</summary>
public enum RouteProtocol : byte
{
    /// <summary>Not said.</summary>
    Unspecified = 0,

    /// <summary>The kernel itself.</summary>
    Kernel = 2,

    /// <summary>A program at boot: what ip(8) sets where nothing is said.</summary>
    Boot = 3,

    /// <summary>The administrator.</summary>
    Static = 4,

    /// <summary>A router's advertisement.</summary>
    Ra = 9,

    /// <summary>DHCP.</summary>
    Dhcp = 16,
}
