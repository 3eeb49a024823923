namespace Isolation.Net.Netlink;

/// <summary>A message as it was received.</summary>
/// <param name="type">Its type: <c>RTM_NEWLINK</c>.</param>
/// <param name="payload">What follows its header: the fixed struct and the attributes.</param>
/// <param name="state">What the caller passed.</param>
public delegate void NetlinkMessageReader<in TState>(ushort type, ReadOnlySpan<byte> payload, TState state);
