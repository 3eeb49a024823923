namespace Isolation.Net.Routing;

/// <summary>One of a group of nexthops.</summary>
/// <param name="Id">The nexthop's number.</param>
/// <param name="Weight">Its share, 1 to 65536; before Linux 6.12 to 256.</param>
public readonly record struct NexthopMember(uint Id, int Weight = 1);
