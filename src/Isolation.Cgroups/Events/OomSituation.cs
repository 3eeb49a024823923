using Isolation.Linux;

namespace Isolation.Cgroups;

/// <summary>A control group that runs out of memory: the input of an out-of-memory decision.</summary>
/// <param name="Cgroup">The control group. Its processes are frozen meanwhile.</param>
/// <param name="Usage">Memory in use.</param>
/// <param name="Limit">The limit that was reached: <c>memory.high</c>, or on version 1 <c>memory.limit_in_bytes</c>.</param>
/// <param name="Count">The number of this event, from 1.</param>
public sealed record OomSituation(Cgroup Cgroup, ByteSize Usage, ByteSize Limit, int Count);
