using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>How a thread is scheduled: <c>struct sched_attr</c>. An immutable value; OCI's <c>process.scheduler</c>.</summary>
/// <example><code>builder = builder.WithScheduling(new Scheduling(SchedulingPolicy.Batch) { Nice = 10 });</code></example>
/// <param name="Policy">The policy.</param>
public sealed record Scheduling(SchedulingPolicy Policy)
{
    private const ulong ResetOnFork = 1;

    /// <summary>-20, the most favourable, to 19;
    /// of <see cref="SchedulingPolicy.Other"/> and <see cref="SchedulingPolicy.Batch"/>.</summary>
    public int Nice { get; init; }

    /// <summary>1 to 99, the most urgent; of the real-time policies.</summary>
    public int Priority { get; init; }

    /// <summary>Whether what it starts is scheduled ordinarily: <c>SCHED_FLAG_RESET_ON_FORK</c>.</summary>
    public bool ResetsOnFork { get; init; }

    /// <summary>The time in each period; of <see cref="SchedulingPolicy.Deadline"/>.</summary>
    public TimeSpan Runtime { get; init; }

    /// <summary>By when it is due, from the begin of the period.</summary>
    public TimeSpan DeadlineTime { get; init; }

    /// <summary>How long a period is; zero for the deadline.</summary>
    public TimeSpan Period { get; init; }

    /// <summary>Sets the calling thread's scheduling, and that of what it starts: sched_setattr(2).</summary>
    /// <exception cref="LinuxException"><c>EPERM</c>: it needs <c>CAP_SYS_NICE</c> or RLIMIT_NICE, RLIMIT_RTPRIO.
    /// <c>EINVAL</c>: a value is out of range. <c>EBUSY</c>: there is no time left for the deadline.</exception>
    public void SetForCurrentThread() => ManagedInterpreter.Run(Step);

    /// <inheritdoc/>
    public override string ToString() => Policy switch
    {
        SchedulingPolicy.Fifo or SchedulingPolicy.RoundRobin =>
            string.Create(CultureInfo.InvariantCulture, $"{Policy}, priority {Priority}"),
        SchedulingPolicy.Deadline => string.Create(CultureInfo.InvariantCulture,
            $"{Policy}, {Runtime.TotalMilliseconds} ms by {DeadlineTime.TotalMilliseconds} ms every {Period.TotalMilliseconds} ms"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{Policy}, nice {Nice}"),
    };

    // struct sched_attr: u32 size, policy; u64 flags; s32 nice; u32 priority; u64 runtime, deadline, period (ns)
    internal PlanStep Step => new("set the scheduling to", ToString(),
    [
        new SyscallStep(Syscall.sched_setattr, 0, StepArgument.Words($"{{{this}}}", 48 | ((ulong)Policy << 32),
            ResetsOnFork ? ResetOnFork : 0, (uint)Nice | ((ulong)(uint)Priority << 32),
            Nanoseconds(Runtime), Nanoseconds(DeadlineTime), Nanoseconds(Period)), 0),
    ])
    {
        Hint = errno => errno switch
        {
            Errno.EPERM => "It needs CAP_SYS_NICE, or a resource limit (nice, rtprio) that allows it; "
                + "with control group version 1, real-time policies need cpu.rt_runtime_us.",
            Errno.EINVAL =>
                "Nice is -20 to 19, a real-time priority 1 to 99 (and 0 for other policies), and runtime <= deadline <= period.",
            Errno.EBUSY => "The processors have not so much time left for deadlines.",
            _ => null,
        },
    };

    private static ulong Nanoseconds(TimeSpan time) => (ulong)time.Ticks * 100;
}
