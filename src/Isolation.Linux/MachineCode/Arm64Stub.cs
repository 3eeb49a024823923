using System.Runtime.InteropServices;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;
using static Isolation.Linux.Programs.InterpreterLayout;

namespace Isolation.Linux.MachineCode;

/// <summary>The stub for arm64. x19 is the context, x20 the current step, w21 its flags.</summary>
internal static class Arm64Stub
{
    private const int Context = 19;
    private const int Step = 20;
    private const int Flags = 21;
    private const int Number = 8; // the syscall number's register

    /// <param name="forImage">Without the progress: only a process that shares this memory leaves that for anybody, and every process of an
    /// image would copy a page for it.</param>
    internal static Stub Emit(bool forImage = false)
    {
        var e = new Arm64Emitter();
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
        var e = new Arm64Emitter();
        e.MoveImmediate(Context, (ushort)context);
        for (int shift = 16; shift < 64; shift += 16)
            e.MoveKeep(Context, (ushort)(context >> shift), shift);
        e.JumpDistance(checked((int)(entry - (here + e.Offset))));
        return e.ToArray();
    }

    // long launch(context* x0): blocks signals, clones, restores the mask in the parent.
    private static void EmitLaunch(Arm64Emitter e, Label child)
    {
        e.BranchTarget();
        e.PushPair(Context, Step);
        e.Move(Context, 0);
        EmitSetMask(e, newMask: FullMask, oldMask: SavedMask);
        for (int i = 0; i < 5; i++)
            e.Load(i, Context, CloneArguments + (i * 8));
        e.Load(Number, Context, CloneNumber);
        e.SupervisorCall();
        e.JumpIfZero(0, child);
        e.Move(Step, 0);
        EmitSetMask(e, newMask: SavedMask, oldMask: null);
        e.Move(0, Step);
        e.PopPair(Context, Step);
        e.Ret();
    }

    private static void EmitInterpreter(Arm64Emitter e, bool forImage)
    {
        Label step = new(), zero = new(), advance = new(), next = new(), failed = new(), tolerated = new(),
            unexpected = new(), report = new();
        Label compare = new(), number = new(), other = new();
        e.Load(Step, Context, FirstStep);

        e.Place(step);
        if (!forImage)
            e.Store(Context, Progress, Step);
        e.Load32(Flags, Step, StepFlags);
        for (int i = 0; i < 6; i++)
            e.Load(i, Step, StepArguments + (i * 8));
        for (int i = 0; i < 6; i++)
        {
            Label immediate = new();
            e.JumpIfBitClear(Flags, i, immediate);
            e.Load(i, i, 0);
            e.Place(immediate);
        }

        e.Load32(Number, Step, StepNumber);
        e.SupervisorCall();

        Label noSlot = new();
        e.Load32(9, Step, StepResult);
        e.JumpIfZero(9, noSlot);
        e.Add(9, 9, Context);
        e.Store(9, 0, 0);
        e.Place(noSlot);
        e.CompareNegative(0, 4095);
        e.Jump(Arm64Condition.UnsignedHigherOrSame, failed);
        e.JumpIfBitSet(Flags, EqualSkipsBit, compare);
        e.JumpIfBitSet(Flags, ReadsNumberBit, number);
        e.JumpIfZero(0, zero);
        e.JumpIfBitSet(Flags, NonzeroFailsBit, unexpected);

        e.Place(advance);
        e.LoadSigned8(0, Step, StepSkipOnSuccess);
        e.Place(next); // x0 = steps to skip
        e.AddImmediate(0, 0, 1);
        e.Add(Step, Step, 0, shift: 6);
        e.Load(9, Context, EndOfSteps);
        e.Compare(Step, 9);
        e.Jump(Arm64Condition.UnsignedLower, step);
        e.Jump(unexpected); // a program ends in exec or exit

        e.Place(zero);
        e.JumpIfBitSet(Flags, ZeroFailsBit, unexpected);
        e.JumpIfBitClear(Flags, ZeroContinuesBit, advance);
        e.MoveImmediate(0, 0);
        e.Jump(next);

        e.Place(compare); // the call leaves its arguments' registers as they are, but for the first
        e.Compare(1, 2);
        e.Jump(Arm64Condition.Equal, advance);
        e.Place(other);
        e.MoveImmediate(0, 0);
        e.Jump(next);

        e.Place(number);
        e.JumpIfZero(0, advance);
        e.LoadUnsigned8(9, 1, 0);
        e.MoveImmediate(10, '0');
        e.Subtract(9, 9, 10);
        e.CompareImmediate(9, 10);
        e.Jump(Arm64Condition.UnsignedHigherOrSame, other);
        e.Load(10, 3, 0);
        e.Add(10, 10, 10, shift: 2);
        e.Add(10, 9, 10, shift: 1);
        e.Store(3, 0, 10);
        e.Jump(step);

        e.Place(failed);
        e.Negate32(0, 0);
        Label final = new();
        e.JumpIfBitClear(Flags, RepeatsBit, final);
        e.CompareImmediate(0, (int)Errno.EAGAIN);
        e.Jump(Arm64Condition.NotEqual, final);
        e.Load32(9, Context, Repeated);
        e.AddImmediate(9, 9, 1);
        e.Store32(Context, Repeated, 9);
        e.JumpIfBitClear(9, LastRepeatBit, step);
        e.Place(final);
        e.JumpIfBitSet(Flags, ToleratesAllBit, tolerated);
        foreach (int errno in (ReadOnlySpan<int>)[StepErrno1, StepErrno2, Errno3Byte])
        {
            e.LoadUnsigned8(9, Step, errno);
            e.Compare32(0, 9);
            e.Jump(Arm64Condition.Equal, tolerated);
        }

        e.Jump(report);
        e.Place(tolerated);
        e.LoadSigned8(0, Step, StepSkipOnTolerated);
        e.Jump(next);

        e.Place(unexpected);
        e.MoveImmediate(0, 0);
        e.Place(report); // w0 = errno
        EmitReport(e);
    }

    private static void EmitReport(Arm64Emitter e)
    {
        Label die = new();
        e.Store32(Context, FailedErrno, 0);
        e.Load(9, Context, FirstStep);
        e.Subtract(9, Step, 9);
        e.ShiftRight(9, 9, 6);
        e.Store32(Context, FailedStep, 9);
        e.Load(0, Context, ReportDescriptor);
        e.JumpIfBitSet(0, 31, die);
        e.AddImmediate(1, Context, FailedStep);
        e.MoveImmediate(2, 8);
        EmitCall(e, Syscall.write);
        e.Place(die);
        e.MoveImmediate(0, 127);
        EmitCall(e, Syscall.exit_group);
        e.Undefined();
    }

    private static void EmitSetMask(Arm64Emitter e, int newMask, int? oldMask)
    {
        e.MoveImmediate(0, 2); // SIG_SETMASK
        e.AddImmediate(1, Context, newMask);
        if (oldMask is { } old)
            e.AddImmediate(2, Context, old);
        else
            e.MoveImmediate(2, 0);
        e.MoveImmediate(3, 8);
        EmitCall(e, Syscall.rt_sigprocmask);
    }

    private static void EmitCall(Arm64Emitter e, Syscall call)
    {
        e.MoveImmediate(Number, (ushort)SyscallNumber.Of(call, Architecture.Arm64));
        e.SupervisorCall();
    }
}
