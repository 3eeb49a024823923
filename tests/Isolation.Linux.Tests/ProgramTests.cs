using System.Runtime.InteropServices;
using Isolation.Linux.Abi;
using Isolation.Linux.MachineCode;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;
using Isolation.Testing;

namespace Isolation.Linux.Tests;

/// <summary>Programs run by both interpreters: here on this thread, and by the stub in a child. They must agree.</summary>
public class ProgramTests
{
    private static readonly Architecture s_native = RuntimeInformation.ProcessArchitecture;

    [Fact]
    public void The_printed_form_reads_like_strace()
    {
        Slot file = new("file");
        var writer = new SyscallProgramWriter(Architecture.X64);
        writer.Add(
            new SyscallStep(Syscall.openat, StepArgument.CurrentDirectory, "/tmp/a \"b\"", StepArgument.Flags(0x80000, "O_CLOEXEC"))
            { Result = file, Tolerated = [Errno.ENOENT, Errno.EACCES], SkipOnTolerated = 1 },
            new SyscallStep(Syscall.write, file, "x\n", 2) { Rule = StepRule.ZeroFails });
        Assert.Equal(
            "  0  #file = openat(AT_FDCWD, \"/tmp/a \\\"b\\\"\", O_CLOEXEC) tolerates ENOENT|EACCES: skip 1\n"
                + "  1  write(#file, \"x\\n\", 2) zero fails\n",
            writer.Build().ToString());
    }

    [Fact]
    public void Words_of_the_other_architecture_differ_only_in_the_numbers()
    {
        SyscallProgram Build(Architecture architecture)
        {
            var writer = new SyscallProgramWriter(architecture);
            writer.Add(new SyscallStep(Syscall.mkdirat, StepArgument.CurrentDirectory, "/x", 511));
            return writer.Build();
        }

        byte[] x64 = Build(Architecture.X64).Image, arm64 = Build(Architecture.Arm64).Image;
        Assert.Equal((258, 34),
            (x64[SyscallProgram.StepOffset(0)] | x64[SyscallProgram.StepOffset(0) + 1] << 8, arm64[SyscallProgram.StepOffset(0)]));
        Assert.Equal(x64[(SyscallProgram.StepOffset(0) + 4)..], arm64[(SyscallProgram.StepOffset(0) + 4)..]);
        var missing = new SyscallProgramWriter(Architecture.Arm64);
        missing.Add(new SyscallStep(Syscall.open, "/x", 0));
        Assert.Throws<PlatformNotSupportedException>(missing.Build);
    }

    public static TheoryData<string> Flows => [.. s_flows.Keys];

    // Each ends in exit_group with a code that tells which way it went.
    private static readonly Dictionary<string, (SyscallStep[] Steps, int Code, StepFailure? Failure)> s_flows = new()
    {
        ["straight"] = ([Exit(7)], 7, null),
        ["success skips"] = ([Ok() with { SkipOnSuccess = 1 }, Exit(1), Exit(2)], 2, null),
        ["error fails"] = ([Ok(), Bad()], 127, new StepFailure(1, Errno.EBADF)),
        ["first tolerated errno goes on"] = ([Bad() with { Tolerated = [Errno.EBADF] }, Exit(3)], 3, null),
        ["second tolerated errno goes on"] = ([Bad() with { Tolerated = [Errno.EPERM, Errno.EBADF] }, Exit(3)], 3, null),
        ["third tolerated errno goes on"] = ([Bad() with { Tolerated = [Errno.EPERM, Errno.ENOENT, Errno.EBADF] }, Exit(3)], 3, null),
        ["tolerated errno skips"] = ([Bad() with { Tolerated = [Errno.EBADF], SkipOnTolerated = 1, SkipOnSuccess = 2 }, Exit(1),
            Exit(4), Exit(5)], 4, null),
        ["other errnos are not tolerated"] = ([Bad() with { Tolerated = [Errno.EPERM, Errno.ENOENT, Errno.EIO] }, Exit(3)], 127,
            new StepFailure(0, Errno.EBADF)),
        ["backwards"] = ([Ok() with { SkipOnSuccess = 1 }, Exit(8), Ok() with { SkipOnSuccess = -2 }], 8, null),
        ["any errno is tolerated"] = ([Bad() with { ToleratesAll = true, SkipOnTolerated = 1 }, Exit(1), Exit(13)], 13, null),
        ["equal skips"] = ([Compare(7, 7), Exit(14), Exit(15)], 15, null),
        ["different goes on"] = ([Compare(7, 0x1_0000_0007), Exit(16), Exit(17)], 16, null),
        ["zero fails"] = ([Ok() with { Rule = StepRule.ZeroFails }, Exit(1)], 127, new StepFailure(0, Errno.None)),
        ["zero fails not"] = ([Pid() with { Rule = StepRule.ZeroFails }, Exit(9)], 9, null),
        ["nonzero fails"] = ([Pid() with { Rule = StepRule.NonzeroFails }, Exit(1)], 127, new StepFailure(0, Errno.None)),
        ["nonzero fails not"] = ([Ok() with { Rule = StepRule.NonzeroFails }, Exit(10)], 10, null),
        ["zero continues"] = ([Ok() with { Rule = StepRule.ZeroContinues, SkipOnSuccess = 1 }, Exit(11), Exit(12)], 11, null),
        // EAGAIN for ever: the repeating has an end, and the errno is as good or bad as any other then.
        ["repeating ends in failure"] = ([Again(), Exit(1)], 127, new StepFailure(0, Errno.EAGAIN)),
        ["repeating ends in tolerance"] = ([Again() with { Tolerated = [Errno.EAGAIN], SkipOnTolerated = 1 }, Exit(1), Exit(13)], 13, null),
        ["repeating ends for all"] = ([Again() with { Tolerated = [Errno.EAGAIN] }, Again()], 127, new StepFailure(1, Errno.EAGAIN)),
        ["another errno is not repeated"] = ([Bad() with { Rule = StepRule.Repeats }, Exit(1)], 127, new StepFailure(0, Errno.EBADF)),
        ["nonzero skips"] = ([Pid() with { Rule = StepRule.ZeroContinues, SkipOnSuccess = 1 }, Exit(11), Exit(12)], 12, null),
    };

    [Theory]
    [MemberData(nameof(Flows))]
    public void Both_interpreters_go_the_same_way(string flow)
    {
        (SyscallStep[] steps, int code, StepFailure? failure) = s_flows[flow];
        using var child = new LaunchedProgram(steps);
        Assert.Equal(code, child.Status.Code);
        Assert.Equal(failure, child.Failure);

        // Here an exit must not happen: in its place stands a call that fails, and where it fails is where the flow went.
        using var memory = new ProgramMemory();
        memory.Load(Build([.. steps.Select(s => s.Call == Syscall.exit_group ? Bad() : s)]));
        StepFailure here = ManagedInterpreter.Run(memory, 0, steps.Length)!.Value;
        if (failure is not null)
            Assert.Equal(failure, here);
        else
            Assert.Equal(Exit(code).ToString(), steps[here.Index].ToString());
    }

    [Fact]
    public void Results_travel_through_slots_and_into_structs()
    {
        Slot read = new("read"), write = new("write"), copied = new("copied");
        var pair = new DataArgument("[2]", [.. new byte[16]]) { Slots = [(0, read), (4, write)] };
        var buffer = new DataArgument("buffer", [.. new byte[8]]) { Slots = [(0, copied)] };
        SyscallStep[] steps =
        [
            new(Syscall.pipe2, pair, Fcntl.O_CLOEXEC),
            new(Syscall.write, write, "hey", 3) { Rule = StepRule.ZeroFails },
            new(Syscall.read, read, buffer, 3),
            new(Syscall.close, read),
            new(Syscall.close, write),
        ];
        using var memory = new ProgramMemory();
        memory.Load(Build(steps));
        Assert.Null(ManagedInterpreter.Run(memory, 0, steps.Length));
        Assert.Equal("hey", System.Text.Encoding.ASCII.GetString(BitConverter.GetBytes(memory.SlotValue(copied)), 0, 3));

        using var child = new LaunchedProgram([.. steps, Exit(0)]);
        Assert.Equal(0, child.Status.Code);
    }

    [Fact]
    public void Numbers_are_read_from_text()
    {
        Slot read = new("read"), write = new("write"), number = new("number"), last = new("last");
        var pair = new DataArgument("[2]", [.. new byte[16]]) { Slots = [(0, read), (4, write)] };
        StepArgument character = StepArgument.Bytes(new byte[8], "character");
        var flow = new StepFlow();
        flow.Add(new SyscallStep(Syscall.pipe2, pair, Fcntl.O_CLOEXEC));
        flow.Add(new SyscallStep(Syscall.write, write, "4194304\n\n42 ", 12));
        flow.Add(new SyscallStep(Syscall.close, write));
        flow.Clear(last);
        flow.Mark("next");
        flow.JumpIfEqual(last, 42, "found");
        flow.Clear(number);
        flow.Add(new SyscallStep(Syscall.read, read, character, 1, StepArgument.AddressOf(number)) { Rule = StepRule.ReadsNumber },
            onSuccess: "end");
        flow.JumpIfEqual(number, 4194304, "next");
        flow.JumpIfEqual(number, 0, "next");
        flow.Add(new SyscallStep(Syscall.lseek, read, 0, 0), onError: "copy"); // ESPIPE: a jump
        flow.Mark("copy");
        flow.Add(new SyscallStep(Syscall.close, read));
        flow.JumpIfEqual(number, 42, "found");
        flow.Mark("end");
        flow.Add(Exit(1));
        flow.Mark("found");
        flow.Add(Exit(42));
        using var child = new LaunchedProgram(flow.ToArray());
        Assert.Equal(42, child.Status.Code);

        SyscallStep[] steps = flow.ToArray();
        using var memory = new ProgramMemory();
        memory.Load(Build([.. steps.Select(s => s.Call == Syscall.exit_group ? Bad() : s)]));
        StepFailure here = ManagedInterpreter.Run(memory, 0, steps.Length)!.Value;
        Assert.Equal(Exit(42).ToString(), steps[here.Index].ToString());
        Assert.Equal(42, memory.Int64At(number));
    }

    [Fact]
    public void A_program_that_runs_off_its_end_is_a_failure_of_its_last_step()
    {
        using var child = new LaunchedProgram([Ok()]);
        Assert.Equal(127, child.Status.Code);
        Assert.Equal(new StepFailure(1, Errno.None), child.Failure);
    }

    [Fact]
    public void The_signal_mask_is_restored_after_a_launch()
    {
        string before = SignalMask();
        using var child = new LaunchedProgram([Exit(0)]);
        Assert.Equal(before, SignalMask());
    }

    [Fact]
    public void More_than_three_tolerated_errnos_are_refused() =>
        Assert.Throws<ArgumentException>(() => Build([Ok() with { Tolerated = [Errno.EPERM, Errno.ENOENT, Errno.EIO, Errno.EBADF] }]));

    private static string SignalMask() =>
        File.ReadLines("/proc/thread-self/status").First(l => l.StartsWith("SigBlk:", StringComparison.Ordinal));

    private static SyscallProgram Build(SyscallStep[] steps)
    {
        var writer = new SyscallProgramWriter(s_native);
        writer.Add(steps);
        return writer.Build();
    }

    private static SyscallStep Ok() => new(Syscall.sched_yield);

    private static SyscallStep Compare(ulong left, ulong right) =>
        new(Syscall.sched_yield, 0, left, right) { Rule = StepRule.EqualSkips, SkipOnSuccess = 1 };

    private static SyscallStep Pid() => new(Syscall.getpid);

    private static SyscallStep Bad() => new(Syscall.close, uint.MaxValue);

    // futex(2), FUTEX_WAIT: EAGAIN where the word is not what was expected.
    private static SyscallStep Again() =>
        new(Syscall.futex, StepArgument.Bytes([0, 0, 0, 0], "[0]"), 0, 1, StepArgument.Null) { Rule = StepRule.Repeats };

    private static SyscallStep Exit(int code) => new(Syscall.exit_group, code);

    /// <summary>A program run by the stub in a vfork child, and reaped.</summary>
    private sealed unsafe class LaunchedProgram : IDisposable
    {
        private readonly ProgramMemory _memory = new();

        internal LaunchedProgram(SyscallStep[] steps)
        {
            SyscallProgram program = Build(steps);
            _memory.Load(program);
            _memory.SelectSteps(0, steps.Length);
            _memory.Int64(InterpreterLayout.CloneNumber) = SyscallNumber.Native(Syscall.clone);
            _memory.Int64(InterpreterLayout.CloneArguments) = (long)(Sched.CLONE_VM | Sched.CLONE_VFORK | Sched.CLONE_PIDFD);
            _memory.Int64(InterpreterLayout.CloneArguments + 16) = _memory.BaseAddress + InterpreterLayout.PidDescriptor;
            Assert.True(ExecutableCode.Launch(_memory.Address) > 0);
            using var process = new LinuxHandle(_memory.Int32(InterpreterLayout.PidDescriptor));
            Status = WaitSyscalls.Reap(process, block: true)!.Value;
            int failed = _memory.Int32(InterpreterLayout.FailedStep);
            Failure = failed < 0 ? null : new StepFailure(failed, (Errno)_memory.Int32(InterpreterLayout.FailedErrno));
        }

        internal ExitStatus Status { get; }

        internal StepFailure? Failure { get; }

        public void Dispose() => _memory.Dispose();
    }
}
