using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Isolation.Cgroups;
using Isolation.Linux;
using Isolation.Linux.Launching;
using Isolation.Linux.Programs;

namespace Isolation.Containers;

/// <summary>A step with the side that it runs on.</summary>
internal sealed record PlanEntry(PlanStep Step, StepSide Side);

/// <summary>What a plan knows of its launch beyond the steps.</summary>
internal sealed record LaunchSlots(
    LaunchForm Form,
    ulong CloneFlags,
    Slot ParentThread,
    Slot? SealedFile,
    Slot? Report,
    (Slot ReadyRead, Slot ReadyWrite, Slot GoRead, Slot GoWrite)? Barrier,
    LaunchHandshake? Handshake,
    ImmutableArray<Slot> Temporary,
    ImmutableArray<Slot> Kept,
    Slot? Siblings,
    (Slot ReadyRead, Slot GoWrite)? Connection,
    bool HasInit,
    StreamSteps Streams,
    ImmutableArray<(Slot Slot, SafeHandle Handle)> Presets,
    Slot? TerminalSocket,
    Slot? PooledNet,
    Slot? IdMapSource,
    bool ChangesDumpable,
    bool OwnsPid,
    int MinimumDescriptor,
    CgroupLaunch? Cgroup,
    Slot? SeccompSocket,
    Slot? HoldSocket,
    bool HasNetwork,
    Slot? HostsTree);

internal static class PlanEntries
{
    internal static int FindLastIndexOf(this ImmutableArray<PlanEntry>.Builder entries, StepSide side)
    {
        for (int i = entries.Count - 1; i >= 0; i--)
        {
            if (entries[i].Side == side)
                return i;
        }

        return -1;
    }
}
