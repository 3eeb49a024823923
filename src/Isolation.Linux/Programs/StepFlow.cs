namespace Isolation.Linux.Programs;

/// <summary>Lays out steps whose skips are written as labels: a program with loops.</summary>
internal sealed class StepFlow
{
    private readonly List<(SyscallStep Step, string? OnSuccess, string? OnError)> _steps = [];
    private readonly Dictionary<string, int> _labels = new(StringComparer.Ordinal);

    /// <summary>Names the place of the next step.</summary>
    internal void Mark(string label) => _labels.Add(label, _steps.Count);

    /// <summary>Appends a step.</summary>
    /// <param name="step">The step, without skips.</param>
    /// <param name="onSuccess">Where a success goes; null for the next step.</param>
    /// <param name="onError">Where any error goes; null for one that ends the program.</param>
    internal void Add(SyscallStep step, string? onSuccess = null, string? onError = null) =>
        _steps.Add((onError is null ? step : step with { ToleratesAll = true }, onSuccess, onError));

    /// <summary>Appends a step whose result does not matter.</summary>
    internal void Try(SyscallStep step) => _steps.Add((step with { ToleratesAll = true }, null, null));

    internal void Jump(string label) => Add(new SyscallStep(Syscalls.Syscall.sched_yield), label);

    /// <summary>Sets a slot to 0.</summary>
    internal void Clear(Slot slot) => Add(new SyscallStep(Syscalls.Syscall.sched_yield) { Result = slot });

    /// <summary>Goes to a label where two words are equal.</summary>
    internal void JumpIfEqual(StepArgument left, StepArgument right, string label) =>
        Add(new SyscallStep(Syscalls.Syscall.sched_yield, 0, left, right) { Rule = StepRule.EqualSkips }, label);

    /// <summary>The steps in order.</summary>
    /// <exception cref="OverflowException">A label is more than 127 steps away.</exception>
    internal SyscallStep[] ToArray() =>
        [.. _steps.Select((s, i) => s.Step with { SkipOnSuccess = Skip(s.OnSuccess, i), SkipOnTolerated = Skip(s.OnError, i) })];

    private sbyte Skip(string? label, int from) => label is null ? (sbyte)0 : checked((sbyte)(_labels[label] - from - 1));
}
