using Isolation.Linux;

namespace Isolation.Cgroups;

/// <summary>What a control group that runs out of memory looks like, for the one who decides.</summary>
/// <param name="Cgroup">The control group. Its processes stand still meanwhile.</param>
/// <param name="Usage">Memory in use.</param>
/// <param name="Limit">What it ran into: <c>memory.high</c>, or on version 1 <c>memory.limit_in_bytes</c>.</param>
/// <param name="Count">The how-manieth time this is, from 1.</param>
public sealed record OomSituation(Cgroup Cgroup, ByteSize Usage, ByteSize Limit, int Count);
