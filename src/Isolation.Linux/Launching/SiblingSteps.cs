using System.Collections.Immutable;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Launching;

/// <summary>Lowers the making of processes by an intermediate one, which has entered or made the PID
/// namespace that they are born in.</summary>
/// <remarks>They are its siblings, children of this process: it knows how they truly ended, and signals them, by their pidfds. The
/// intermediate sends those over a socket, tells its siblings that it has, and ends. Until they were told they stay in its process group,
/// and go no further: should it fail or be killed between, this process kills and reaps the group.</remarks>
internal sealed class SiblingSteps(bool hasInit)
{
    private readonly DescriptorSocket _socket = new("siblings");
    private readonly Slot _initId = new("init-id"), _init = new("init"), _programId = new("program-id"), _program = new("program");
    private readonly Slot _toldRead = new("told-read"), _toldWrite = new("told-write"), _readyRead = new("ready-read"),
        _readyWrite = new("ready-write");

    /// <summary>This process's end of the socket.</summary>
    internal Slot Receive => _socket.Receive;

    internal PlanStep OpenSocket() => _socket.Open("the processes");

    /// <summary>The intermediate's own: a process group, and the pipes by which its siblings wait for it and for each other.</summary>
    internal PlanStep Begin() => new("make a process group and pipes for", hasInit ? "the init and the program" : "the program",
    [
        new SyscallStep(Syscall.setpgid, 0, 0),
        Pipe(_toldRead, _toldWrite),
        .. hasInit ? (ImmutableArray<SyscallStep>)[Pipe(_readyRead, _readyWrite)] : [],
    ]);

    /// <summary>Process 1: it runs its steps, waits until the intermediate has told of it, and then does what is left.</summary>
    /// <param name="before">What it does before it was told; it is killed with the group until then.</param>
    /// <param name="after">What it does then: to be ready it closes every descriptor; it never ends by itself.</param>
    internal PlanStep MakeInit(IEnumerable<SyscallStep> before, IEnumerable<SyscallStep> after)
    {
        SyscallStep[] own = [new SyscallStep(Syscall.close, _toldWrite), .. before,
            Read(_toldRead) with { Rule = StepRule.ZeroFails }, .. after];
        StepArgument flags = StepArgument.Flags(Sched.CLONE_PARENT | Sched.CLONE_PIDFD, "CLONE_PARENT|CLONE_PIDFD");
        return new PlanStep("create", "the init as process 1",
        [
            new SyscallStep(Syscall.clone, flags, 0, StepArgument.AddressOf(_init), 0, 0)
            {
                Result = _initId,
                Rule = StepRule.ZeroContinues,
                SkipOnSuccess = checked((sbyte)own.Length),
            },
            .. own,
        ]);
    }

    /// <summary>The program's process goes on to the next step; the intermediate tells of both, and ends.</summary>
    /// <param name="cgroup">The directory of the control group that it is born in; null for this process's own.</param>
    internal PlanStep MakeProgram(Slot? cgroup)
    {
        SyscallStep clone = cgroup is null
            ? new SyscallStep(Syscall.clone, StepArgument.Flags(Sched.CLONE_PARENT | Sched.CLONE_PIDFD, "CLONE_PARENT|CLONE_PIDFD"), 0,
                StepArgument.AddressOf(_program), 0, 0)
            : new SyscallStep(Syscall.clone3, CloneInto(cgroup), 88);
        return new PlanStep("create", "the program's process",
        [
            clone with { Result = _programId, Rule = StepRule.ZeroContinues, SkipOnSuccess = 1 },
            new SyscallStep(Syscall.close, _toldWrite) { SkipOnSuccess = 3 }, // the program's process goes past the intermediate's part
            _socket.HandAll(hasInit ? [_init, _program] : [_program], hasInit ? [_initId, _programId] : [_programId]),
            new SyscallStep(Syscall.write, _toldWrite, StepArgument.Bytes([1], "\"\\1\""), 1),
            new SyscallStep(Syscall.exit_group, 0),
        ]);
    }

    /// <summary>Has the program's process wait until this process knows of it; with an init, until that is beyond the reach of the program,
    /// which it shows by having closed every descriptor. An init that ends takes the waiting one with it.</summary>
    internal PlanStep AwaitOthers() => hasInit
        ? new PlanStep("wait for", "the init",
            [new SyscallStep(Syscall.close, _readyWrite), Read(_readyRead) with { Rule = StepRule.NonzeroFails }])
        : new PlanStep("wait for", "the intermediate process", [Read(_toldRead) with { Rule = StepRule.ZeroFails }]);

    private static SyscallStep Pipe(Slot read, Slot write) =>
        new(Syscall.pipe2, StepArgument.DescriptorPair(read, write), StepArgument.Flags(Fcntl.O_CLOEXEC, "O_CLOEXEC"));

    private static SyscallStep Read(Slot pipe) =>
        new(Syscall.read, pipe, new DataArgument("[token]", [0, 0, 0, 0, 0, 0, 0, 0]) { Slots = [(0, new Slot("token"))] }, 1);

    // The slot is empty, -1, until the directory was opened: a launch that fails before closes nothing.
    // struct clone_args { flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup }
    private DataArgument CloneInto(Slot cgroup)
    {
        const ulong Flags = Sched.CLONE_PARENT | Sched.CLONE_PIDFD | Sched.CLONE_INTO_CGROUP;
        var arguments = (DataArgument)StepArgument.Words($"{{flags=CLONE_PARENT|CLONE_PIDFD|CLONE_INTO_CGROUP, cgroup={cgroup}}}", Flags, 0,
            0, 0, 0, 0, 0, 0, 0, 0, ulong.MaxValue);
        return arguments with { Pointers = [(8, StepArgument.AddressOf(_program))], Slots = [(80, cgroup)] };
    }
}
