using System.Globalization;
using System.Net;
using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

/// <summary>Where packets go next: one of a route's several ways.</summary>
/// <param name="Gateway">The router; null where the destination is on the link.</param>
/// <param name="LinkIndex">The link; null leaves it to the gateway.</param>
/// <param name="Weight">Its share among the others, 1 to 256.</param>
public sealed record RouteHop(IPAddress? Gateway = null, int? LinkIndex = null, int Weight = 1)
{
    /// <summary>Whether the gateway is taken to be on the link even where no network of it has it: <c>onlink</c>.</summary>
    public bool OnLink { get; init; }

    /// <summary>What was read of it and has no property, such as an encapsulation.</summary>
    internal KeptAttributes Kept { get; init; }

    /// <summary>The way as <c>ip route</c> prints it, with the link's number in the place of its name.</summary>
    internal string ToText()
    {
        string way = (Gateway is null ? "" : $" via {Gateway}") + (LinkIndex is { } link
            ? string.Create(CultureInfo.InvariantCulture, $" dev {link}") : "");
        return string.Create(CultureInfo.InvariantCulture, $" nexthop{way} weight {Weight}{(OnLink ? " onlink" : "")}");
    }
}
