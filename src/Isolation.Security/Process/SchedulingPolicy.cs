namespace Isolation.Security;

/// <summary>A scheduling policy: <c>SCHED_*</c>. See sched(7).</summary>
public enum SchedulingPolicy
{
    /// <summary><c>SCHED_OTHER</c>: shared by weight; nice counts.</summary>
    Other = 0,

    /// <summary><c>SCHED_FIFO</c>: real time, until it blocks.</summary>
    Fifo = 1,

    /// <summary><c>SCHED_RR</c>: real time, in turns.</summary>
    RoundRobin = 2,

    /// <summary><c>SCHED_BATCH</c>: shared by weight, not for interaction.</summary>
    Batch = 3,

    /// <summary><c>SCHED_IDLE</c>: only what nobody else wants.</summary>
    Idle = 5,

    /// <summary><c>SCHED_DEADLINE</c>: so much time in each period. Since Linux 3.14.</summary>
    Deadline = 6,

    /// <summary><c>SCHED_EXT</c>: by a BPF program. Since Linux 6.12.</summary>
    Ext = 7,
}
