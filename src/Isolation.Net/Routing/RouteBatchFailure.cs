using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

/// <summary>A request of a batch that failed.</summary>
/// <param name="Index">Which one, from 0 in the order of adding.</param>
/// <param name="Error">What the kernel said.</param>
public sealed record RouteBatchFailure(int Index, NetlinkException Error);
