using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Programs;

/// <summary>Runs the steps of a loaded program here, on the calling thread: the same words that a new process would run.</summary>
internal static unsafe class ManagedInterpreter
{
    private static readonly uint s_close = (uint)SyscallNumber.Native(Syscall.close);

    /// <summary>Runs plan steps on the calling thread.</summary>
    /// <exception cref="LinuxException">A step failed; names its action and subject.</exception>
    internal static void Run(params ReadOnlySpan<PlanStep> plan)
    {
        var writer = new SyscallProgramWriter(System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture);
        foreach (PlanStep step in plan)
            writer.Add(step.Calls.AsSpan());
        SyscallProgram program = writer.Build();
        using var memory = new ProgramMemory();
        memory.Load(program);
        if (Run(memory, 0, program.Steps.Length) is not { } failure)
            return;
        CloseLeft(program, memory, failure.Index);
        int index = failure.Index;
        foreach (PlanStep step in plan)
        {
            if (index < step.Calls.Length)
                throw new LinuxException(step.Action, step.Subject, step.Calls[index].CallName, failure.Errno,
                    remedy: step.HintFor(step.Calls[index], failure.Errno));
            index -= step.Calls.Length;
        }
    }

    /// <summary>Closes what the steps before a failure have opened and not closed.</summary>
    private static void CloseLeft(SyscallProgram program, ProgramMemory memory, int end)
    {
        var open = new HashSet<Slot>();
        foreach (SyscallStep step in program.Steps.AsSpan(0, end))
        {
            if (step is { Call: Syscall.openat or Syscall.openat2 or Syscall.landlock_create_ruleset, Result: { } opened })
                open.Add(opened);
            else if (step.Call == Syscall.close && step.Arguments[0] is SlotArgument closed)
                open.Remove(closed.Slot);
        }

        // What was skipped, or refused and tolerated, has left no descriptor.
        foreach (Slot slot in open.Where(s => memory.Int64At(s) > 2))
            RawSyscall.Invoke(Syscall.close, (nuint)memory.Int64At(slot));
    }

    /// <summary>Makes one call on the calling thread and returns its result, whatever it is.</summary>
    internal static SyscallResult Result(SyscallStep step)
    {
        var slot = new Slot("result");
        var writer = new SyscallProgramWriter(System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture);
        writer.Add(step with { Result = slot });
        using var memory = new ProgramMemory();
        memory.Load(writer.Build());
        return Run(memory, 0, 1) is { } failure ? new SyscallResult(-(long)failure.Errno) : new SyscallResult((nint)memory.Int64At(slot));
    }

    /// <summary>Runs a section of a loaded program; null means that every step held.</summary>
    internal static StepFailure? Run(ProgramMemory memory, int first, int end)
    {
        byte* context = (byte*)memory.Address;
        uint repeated = 0;
        for (int i = first; i < end;)
        {
            byte* step = context + SyscallProgram.StepOffset(i);
            uint flags = *(uint*)(step + InterpreterLayout.StepFlags);
            SyscallResult result = Call(step, flags);
            if (result.Errno == Errno.EAGAIN && Has(flags, InterpreterLayout.RepeatsBit)
                && !Has(++repeated, InterpreterLayout.LastRepeatBit))
                continue;
            uint slot = *(uint*)(step + InterpreterLayout.StepResult);
            if (slot != 0)
                *(long*)(context + slot) = result.Value;
            if (result.IsError)
            {
                if (!Tolerates(step, flags, result.Errno))
                    return new StepFailure(i, result.Errno);
                i += 1 + (sbyte)step[InterpreterLayout.StepSkipOnTolerated];
                continue;
            }

            if (Has(flags, InterpreterLayout.EqualSkipsBit))
            {
                i += Argument(step, flags, 1) == Argument(step, flags, 2) ? 1 + (sbyte)step[InterpreterLayout.StepSkipOnSuccess] : 1;
                continue;
            }

            if (Has(flags, InterpreterLayout.ReadsNumberBit) && result.Value != 0)
            {
                byte character = *(byte*)Argument(step, flags, 1);
                if (char.IsAsciiDigit((char)character))
                    *(ulong*)Argument(step, flags, 3) = (*(ulong*)Argument(step, flags, 3) * 10) + (ulong)(character - '0');
                else
                    i++;
                continue;
            }

            bool zero = result.Value == 0;
            if (Has(flags, zero ? InterpreterLayout.ZeroFailsBit : InterpreterLayout.NonzeroFailsBit))
                return new StepFailure(i, Errno.None);
            i += zero && Has(flags, InterpreterLayout.ZeroContinuesBit) ? 1 : 1 + (sbyte)step[InterpreterLayout.StepSkipOnSuccess];
        }

        return null;
    }

    private static SyscallResult Call(byte* step, uint flags)
    {
        Span<nuint> words = stackalloc nuint[6];
        for (int a = 0; a < 6; a++)
            words[a] = Argument(step, flags, a);

        uint number = *(uint*)step;
        SyscallResult result;
        do
        {
            result = RawSyscall.InvokeNumber((nint)number, words[0], words[1], words[2], words[3], words[4], words[5]);
        }
        // The runtime stops threads by signals; a limit of memory, for one, is not written to the end
        // then. A descriptor is closed all the same.
        while (result.Errno == Errno.EINTR && number != s_close);
        return result;
    }

    private static nuint Argument(byte* step, uint flags, int index)
    {
        nuint word = *(nuint*)(step + InterpreterLayout.StepArguments + (index * 8));
        return Has(flags, index) ? *(nuint*)word : word;
    }

    private static bool Tolerates(byte* step, uint flags, Errno errno) => Has(flags, InterpreterLayout.ToleratesAllBit) ||
        errno == (Errno)step[InterpreterLayout.StepErrno1] || errno == (Errno)step[InterpreterLayout.StepErrno2]
        || errno == (Errno)(flags >> 24);

    private static bool Has(uint flags, int bit) => (flags >> bit & 1) != 0;
}
