using System.Net;

namespace Isolation.Containers;

/// <summary>A container on a network.</summary>
/// <param name="Name">Its name on the network.</param>
/// <param name="Address">Its IPv4 address.</param>
/// <param name="AddressV6">Its IPv6 address; null where the network has none.</param>
/// <param name="ProcessId">Its first process, by the number in the caller's PID namespace.</param>
public sealed record NetworkMember(string Name, IPAddress Address, IPAddress? AddressV6, int ProcessId);
