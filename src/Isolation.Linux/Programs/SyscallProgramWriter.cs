using System.Buffers.Binary;
using System.Collections.Frozen;
using System.Runtime.InteropServices;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Programs;

/// <summary>Lowers steps to a <see cref="SyscallProgram"/>: words for the steps, an arena for what they point at.</summary>
internal sealed class SyscallProgramWriter(Architecture architecture)
{
    private readonly List<SyscallStep> _steps = [];

    /// <summary>Appends steps and returns the index of the first.</summary>
    internal int Add(params ReadOnlySpan<SyscallStep> steps)
    {
        int first = _steps.Count;
        _steps.AddRange(steps);
        return first;
    }

    internal int Count => _steps.Count;

    internal SyscallProgram Build()
    {
        var arena = new ArenaWriter(SyscallProgram.StepOffset(_steps.Count));
        foreach (StepArgument argument in _steps.SelectMany(s => s.Arguments))
            arena.PlaceSlots(argument);
        var words = new byte[_steps.Count * InterpreterLayout.StepSize];
        for (int i = 0; i < _steps.Count; i++)
            WriteStep(words.AsSpan(i * InterpreterLayout.StepSize, InterpreterLayout.StepSize), _steps[i], i, arena);
        arena.PointToSlots();
        byte[] image = new byte[arena.End];
        words.CopyTo(image, InterpreterLayout.Steps);
        arena.CopyTo(image);
        BinaryPrimitives.WriteInt32LittleEndian(image.AsSpan(InterpreterLayout.FailedStep), -1);
        BinaryPrimitives.WriteInt64LittleEndian(image.AsSpan(InterpreterLayout.ReportDescriptor), -1);
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(InterpreterLayout.FullMask), ulong.MaxValue);
        return new SyscallProgram(architecture, [.. _steps], image, [.. arena.Relocations], arena.Slots.ToFrozenDictionary());
    }

    private void WriteStep(Span<byte> words, SyscallStep step, int index, ArenaWriter arena)
    {
        uint flags = step.Rule switch
        {
            StepRule.ZeroFails => 1u << InterpreterLayout.ZeroFailsBit,
            StepRule.NonzeroFails => 1u << InterpreterLayout.NonzeroFailsBit,
            StepRule.ZeroContinues => 1u << InterpreterLayout.ZeroContinuesBit,
            StepRule.Repeats => 1u << InterpreterLayout.RepeatsBit,
            StepRule.ReadsNumber => 1u << InterpreterLayout.ReadsNumberBit,
            StepRule.EqualSkips => 1u << InterpreterLayout.EqualSkipsBit,
            _ => 0,
        };
        if (step.ToleratesAll)
            flags |= 1u << InterpreterLayout.ToleratesAllBit;
        for (int i = 0; i < step.Arguments.Length; i++)
        {
            int at = InterpreterLayout.StepArguments + (i * 8);
            ulong word = arena.Word(step.Arguments[i], SyscallProgram.StepOffset(index) + at);
            BinaryPrimitives.WriteUInt64LittleEndian(words[at..], word);
            if (step.Arguments[i] is SlotArgument)
                flags |= 1u << i;
        }

        if (step.Tolerated.Length > 3)
            throw new ArgumentException($"{step.Call} tolerates more than three errnos.");
        BinaryPrimitives.WriteUInt32LittleEndian(words, (uint)SyscallNumber.Of(step.Call, architecture));
        words[InterpreterLayout.StepSkipOnSuccess] = (byte)step.SkipOnSuccess;
        words[InterpreterLayout.StepSkipOnTolerated] = (byte)step.SkipOnTolerated;
        BinaryPrimitives.WriteUInt32LittleEndian(words[InterpreterLayout.StepFlags..], flags);
        ReadOnlySpan<int> places = [InterpreterLayout.StepErrno1, InterpreterLayout.StepErrno2, InterpreterLayout.Errno3Byte];
        for (int i = 0; i < step.Tolerated.Length; i++)
            words[places[i]] = checked((byte)step.Tolerated[i]);
        if (step.Result is { } slot)
            BinaryPrimitives.WriteUInt32LittleEndian(words[InterpreterLayout.StepResult..], (uint)arena.SlotOffset(slot));
    }
}
