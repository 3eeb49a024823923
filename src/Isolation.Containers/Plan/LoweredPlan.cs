using System.Collections.Immutable;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Launching;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Containers;

/// <summary>A plan as flat words: the program, and which of its calls belongs to which step.</summary>
internal sealed class LoweredPlan
{
    private readonly LaunchPlan _plan;
    private readonly int[] _entryOfCall;
    private readonly (Slot Seconds, Slot Nanoseconds)?[] _stamps;
    private readonly Slot _timesWrite = new("times-write");

    internal LoweredPlan(LaunchPlan plan)
    {
        _plan = plan;
        _stamps = new (Slot, Slot)?[plan.Entries.Length];
        var writer = new SyscallProgramWriter(plan.Facts.Architecture);
        var entryOfCall = new List<int>();
        StepRange parent = Write(writer, entryOfCall, StepSide.Parent);
        StepRange borrowed = Write(writer, entryOfCall, StepSide.Borrowed);
        StepRange sealedSteps = Write(writer, entryOfCall, StepSide.Sealed);
        _entryOfCall = [.. entryOfCall];
        LaunchSlots slots = plan.Slots;
        Launch = new LaunchProgram
        {
            Program = writer.Build(),
            Form = slots.Form,
            CloneFlags = slots.CloneFlags,
            Cgroup = slots.Siblings is null ? slots.Cgroup?.Into : null,
            Parent = parent,
            Borrowed = borrowed,
            FirstExecution = slots.Form == LaunchForm.Sealed ? borrowed.End - 1 : borrowed.End - plan.Entries[^1].Step.Calls.Length,
            Sealed = sealedSteps,
            ParentThread = slots.ParentThread,
            SealedFile = slots.SealedFile,
            Report = slots.Report,
            Barrier = slots.Barrier,
            Handshake = slots.Handshake,
            Temporary = Timed && slots.Form == LaunchForm.Sealed ? slots.Temporary.Add(_timesWrite) : slots.Temporary,
            Kept = Timed && slots.Form == LaunchForm.Sealed ? slots.Kept.Add(TimesRead) : slots.Kept,
            ChangesDumpable = slots.ChangesDumpable,
            Siblings = slots.Siblings,
            Connection = slots.Connection,
            LeavesImage = slots.HasInit,
            MinimumDescriptor = slots.MinimumDescriptor,
        };
    }

    internal LaunchProgram Launch { get; }

    /// <summary>Where this process reads the sealed image's step times.</summary>
    internal Slot TimesRead { get; } = new("times-read");

    /// <summary>The entry that a call belongs to, and the call.</summary>
    internal (int Entry, SyscallStep Call) Find(int call) => (_entryOfCall[call], Launch.Program.Steps[call]);

    private bool Timed => _plan.Asked.TimeSteps;

    /// <summary>Reads the step times: parent and borrowed steps from the program's memory,
    /// sealed steps from what the image wrote.</summary>
    internal ImmutableArray<StepTime> ReadTimes(ProgramMemory memory, TimeSpan begin, TimeSpan end)
    {
        TimeSpan[] late = _plan.Form == LaunchForm.Sealed ? ReadLateTimes(memory) : [];
        var times = ImmutableArray.CreateBuilder<StepTime>();
        TimeSpan last = begin;
        int lateIndex = 0;
        for (int i = 0; i < _plan.Entries.Length; i++)
        {
            StepSide side = _plan.Entries[i].Side;
            TimeSpan? now = _stamps[i] is not { } stamp ? null
                : side == StepSide.Sealed ? (lateIndex < late.Length ? late[lateIndex++] : null)
                : Time(memory.Int64At(stamp.Seconds), memory.Int64At(stamp.Nanoseconds));
            if (i == _plan.Entries.Length - 1)
                now = end;
            if (now is not { } at)
                continue;
            times.Add(new StepTime(_plan.Steps[i], at - last));
            last = at;
        }

        return times.ToImmutable();
    }

    private static TimeSpan Time(long seconds, long nanoseconds) =>
        TimeSpan.FromTicks((seconds * TimeSpan.TicksPerSecond) + (nanoseconds / 100));

    private TimeSpan[] ReadLateTimes(ProgramMemory memory)
    {
        using var pipe = new LinuxHandle(memory.SlotValue(TimesRead));
        int count = _plan.Entries.Count(e => e.Side == StepSide.Sealed) - 1;
        var bytes = new byte[count * 16];
        int length = 0;
        while (length < bytes.Length && FileSyscalls.Read(pipe, bytes.AsSpan(length)) is { Value: > 0 } part)
            length += (int)part.Value;
        return [.. Enumerable.Range(0, length / 16)
            .Select(i => Time(BitConverter.ToInt64(bytes, i * 16), BitConverter.ToInt64(bytes, (i * 16) + 8)))];
    }

    private StepRange Write(SyscallProgramWriter writer, List<int> entryOfCall, StepSide side)
    {
        int first = writer.Count;
        if (side == StepSide.Parent && Timed && _plan.Form == LaunchForm.Sealed)
        {
            StepArgument pair = StepArgument.DescriptorPair(TimesRead, _timesWrite);
            Add(writer, entryOfCall, 0, new SyscallStep(Syscall.pipe2, pair, StepArgument.Flags(Fcntl.O_CLOEXEC, "O_CLOEXEC")));
        }

        var stamps = new List<StepArgument>();
        for (int i = 0; i < _plan.Entries.Length; i++)
        {
            if (_plan.Entries[i].Side != side)
                continue;
            ImmutableArray<SyscallStep> calls = _plan.Entries[i].Step.Calls;
            bool startsImage = side == StepSide.Borrowed && _plan.Form == LaunchForm.Sealed && NextOf(i, side) < 0;
            bool isLast = i == _plan.Entries.Length - 1;
            if (Timed && startsImage)
            {
                // Behind the first call, which has the image close all that it is not given.
                Add(writer, entryOfCall, i, calls[0],
                    new SyscallStep(Syscall.fcntl, _timesWrite, StepArgument.Flags(Fcntl.F_SETFD, "F_SETFD"), 0));
                calls = calls[1..];
            }

            if (Timed && isLast && side == StepSide.Sealed)
                Add(writer, entryOfCall, i, WriteTimes(stamps));
            Add(writer, entryOfCall, i, calls.AsSpan());
            if (Timed && !startsImage && !isLast)
                Add(writer, entryOfCall, i, Stamp(i, stamps));
        }

        return new StepRange(first, writer.Count);
    }

    private int NextOf(int index, StepSide side)
    {
        for (int i = index + 1; i < _plan.Entries.Length; i++)
        {
            if (_plan.Entries[i].Side == side)
                return i;
        }

        return -1;
    }

    private SyscallStep Stamp(int entry, List<StepArgument> stamps)
    {
        Slot seconds = new("seconds"), nanoseconds = new("nanoseconds");
        _stamps[entry] = (seconds, nanoseconds);
        StepArgument buffer = new DataArgument("[time]", [.. new byte[16]]) { Slots = [(0, seconds), (8, nanoseconds)] };
        stamps.Add(buffer);
        return new SyscallStep(Syscall.clock_gettime, StepArgument.Flags(1, "CLOCK_MONOTONIC"), buffer);
    }

    /// <summary>One writev of all times, before the program replaces the image.</summary>
    private SyscallStep WriteTimes(List<StepArgument> stamps)
    {
        var vector = (DataArgument)StepArgument.Words("[times]",
            [.. Enumerable.Range(0, stamps.Count).SelectMany(_ => new ulong[] { 0, 16 })]);
        vector = vector with { Pointers = [.. stamps.Select((s, i) => (i * 16, s))] };
        return new SyscallStep(Syscall.writev, _timesWrite, vector, stamps.Count);
    }

    private static void Add(SyscallProgramWriter writer, List<int> entryOfCall, int entry, params ReadOnlySpan<SyscallStep> calls)
    {
        writer.Add(calls);
        for (int i = 0; i < calls.Length; i++)
            entryOfCall.Add(entry);
    }
}
