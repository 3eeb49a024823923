using System.Runtime.InteropServices;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;
using static Isolation.Linux.MachineCode.X64Register;
using static Isolation.Linux.Programs.InterpreterLayout;

namespace Isolation.Linux.MachineCode;

/// <summary>The stub for x86-64. r12 is the context, rbx the current step, r14d its flags.</summary>
internal static class X64Stub
{
    private const int SigBlockSetMask = 2; // SIG_SETMASK
    private const int SignalSetSize = 8;

    /// <param name="forImage">Without the progress: only a process that shares this memory leaves that for anybody, and every process of an
    /// image would copy a page for it.</param>
    internal static Stub Emit(bool forImage = false)
    {
        var e = new X64Emitter();
        Label child = new();
        int launch = e.Offset;
        EmitLaunch(e, child);
        e.Place(child);
        int entry = e.Offset;
        EmitInterpreter(e, forImage);
        return new Stub(e.ToArray(), launch, entry);
    }

    internal static byte[] EmitProcessEntry(long context, long entry, long here)
    {
        var e = new X64Emitter();
        e.MoveImmediate64(R12, context);
        e.JumpDistance(checked((int)(entry - (here + e.Offset + 5))));
        return e.ToArray();
    }

    // long launch(context* rdi): blocks signals, clones, restores the mask in the parent.
    private static void EmitLaunch(X64Emitter e, Label child)
    {
        e.Endbr64();
        e.Push(Rbx);
        e.Push(R12);
        e.Move(R12, Rdi);
        EmitSetMask(e, newMask: FullMask, oldMask: SavedMask);
        e.Load(Rdi, R12, CloneArguments);
        e.Load(Rsi, R12, CloneArguments + 8);
        e.Load(Rdx, R12, CloneArguments + 16);
        e.Load(R10, R12, CloneArguments + 24);
        e.Load(R8, R12, CloneArguments + 32);
        e.Load32(Rax, R12, CloneNumber);
        e.Syscall();
        e.Test(Rax);
        e.Jump(X64Condition.Equal, child);
        e.Move(Rbx, Rax);
        EmitSetMask(e, newMask: SavedMask, oldMask: null);
        e.Move(Rax, Rbx);
        e.Pop(R12);
        e.Pop(Rbx);
        e.Ret();
    }

    private static void EmitInterpreter(X64Emitter e, bool forImage)
    {
        Label step = new(), zero = new(), advance = new(), next = new(), failed = new(), tolerated = new(),
            unexpected = new(), report = new();
        Label compare = new(), number = new(), other = new();
        e.Load(Rbx, R12, FirstStep);

        e.Place(step);
        if (!forImage)
            e.Store(R12, Progress, Rbx);
        e.Load32(R14, Rbx, StepFlags);
        ReadOnlySpan<X64Register> arguments = [Rdi, Rsi, Rdx, R10, R8, R9];
        for (int i = 0; i < arguments.Length; i++)
            e.Load(arguments[i], Rbx, StepArguments + (i * 8));
        for (int i = 0; i < arguments.Length; i++)
        {
            Label immediate = new();
            e.BitTest(R14, (byte)i);
            e.Jump(X64Condition.AboveOrEqual, immediate);
            e.Load(arguments[i], arguments[i], 0);
            e.Place(immediate);
        }

        e.Load32(Rax, Rbx, StepNumber);
        e.Syscall();

        Label noSlot = new();
        e.Load32(Rcx, Rbx, StepResult);
        e.Test32(Rcx);
        e.Jump(X64Condition.Equal, noSlot);
        e.Add(Rcx, R12);
        e.Store(Rcx, 0, Rax);
        e.Place(noSlot);
        e.CompareImmediate(Rax, -4095);
        e.Jump(X64Condition.AboveOrEqual, failed);
        e.BitTest(R14, EqualSkipsBit);
        e.Jump(X64Condition.Below, compare);
        e.BitTest(R14, ReadsNumberBit);
        e.Jump(X64Condition.Below, number);
        e.Test(Rax);
        e.Jump(X64Condition.Equal, zero);
        e.BitTest(R14, NonzeroFailsBit);
        e.Jump(X64Condition.Below, unexpected);

        e.Place(advance);
        e.LoadSigned8(Rax, Rbx, StepSkipOnSuccess);
        e.Place(next); // rax = steps to skip
        e.Increment(Rax);
        e.ShiftLeft(Rax, 6);
        e.Add(Rbx, Rax);
        e.CompareMemory(Rbx, R12, EndOfSteps);
        e.Jump(X64Condition.Below, step);
        e.Jump(unexpected); // a program ends in exec or exit

        e.Place(zero);
        e.BitTest(R14, ZeroFailsBit);
        e.Jump(X64Condition.Below, unexpected);
        e.BitTest(R14, ZeroContinuesBit);
        e.Jump(X64Condition.AboveOrEqual, advance);
        e.Clear(Rax);
        e.Jump(next);

        e.Place(compare); // the call leaves its arguments' registers as they are
        e.Compare(Rsi, Rdx);
        e.Jump(X64Condition.Equal, advance);
        e.Place(other);
        e.Clear(Rax);
        e.Jump(next);

        e.Place(number);
        e.Test(Rax);
        e.Jump(X64Condition.Equal, advance);
        e.LoadUnsigned8(Rcx, Rsi, 0);
        e.AddImmediate32(Rcx, -'0');
        e.CompareImmediate(Rcx, 10);
        e.Jump(X64Condition.AboveOrEqual, other);
        e.Load(Rax, R10, 0);
        e.Move(Rdx, Rax);
        e.ShiftLeft(Rax, 3);
        e.Add(Rax, Rdx);
        e.Add(Rax, Rdx);
        e.Add(Rax, Rcx);
        e.Store(R10, 0, Rax);
        e.Jump(step);

        e.Place(failed);
        e.Negate32(Rax);
        Label final = new();
        e.BitTest(R14, RepeatsBit);
        e.Jump(X64Condition.AboveOrEqual, final);
        e.MoveImmediate(Rcx, (int)Errno.EAGAIN);
        e.Compare32(Rax, Rcx);
        e.Jump(X64Condition.NotEqual, final);
        e.Load32(Rcx, R12, Repeated);
        e.AddImmediate32(Rcx, 1);
        e.Store32(R12, Repeated, Rcx);
        e.BitTest(Rcx, LastRepeatBit);
        e.Jump(X64Condition.AboveOrEqual, step);
        e.Place(final);
        e.BitTest(R14, ToleratesAllBit);
        e.Jump(X64Condition.Below, tolerated);
        foreach (int errno in (ReadOnlySpan<int>)[StepErrno1, StepErrno2, Errno3Byte])
        {
            e.LoadUnsigned8(Rcx, Rbx, errno);
            e.Compare32(Rax, Rcx);
            e.Jump(X64Condition.Equal, tolerated);
        }

        e.Jump(report);
        e.Place(tolerated);
        e.LoadSigned8(Rax, Rbx, StepSkipOnTolerated);
        e.Jump(next);

        e.Place(unexpected);
        e.Clear(Rax);
        e.Place(report); // eax = errno
        EmitReport(e);
    }

    private static void EmitReport(X64Emitter e)
    {
        Label die = new();
        e.Store32(R12, FailedErrno, Rax);
        e.Move(Rax, Rbx);
        e.SubtractMemory(Rax, R12, FirstStep);
        e.ShiftRight(Rax, 6);
        e.Store32(R12, FailedStep, Rax);
        e.Load(Rdi, R12, ReportDescriptor);
        e.Test(Rdi);
        e.Jump(X64Condition.Sign, die);
        e.Lea(Rsi, R12, FailedStep);
        e.MoveImmediate(Rdx, 8);
        e.MoveImmediate(Rax, Number(Syscall.write));
        e.Syscall();
        e.Place(die);
        e.MoveImmediate(Rdi, 127);
        e.MoveImmediate(Rax, Number(Syscall.exit_group));
        e.Syscall();
        e.Ud2();
    }

    private static void EmitSetMask(X64Emitter e, int newMask, int? oldMask)
    {
        e.MoveImmediate(Rdi, SigBlockSetMask);
        e.Lea(Rsi, R12, newMask);
        if (oldMask is { } old)
            e.Lea(Rdx, R12, old);
        else
            e.Clear(Rdx);
        e.MoveImmediate(R10, SignalSetSize);
        e.MoveImmediate(Rax, Number(Syscall.rt_sigprocmask));
        e.Syscall();
    }

    private static int Number(Syscall call) => SyscallNumber.Of(call, Architecture.X64);
}
