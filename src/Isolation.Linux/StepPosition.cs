namespace Isolation.Linux;

/// <summary>The position of a step in a launch: <c>launch step 14 of 31, in the child</c>.</summary>
/// <param name="Number">The step's number, from 1.</param>
/// <param name="Count">How many steps the launch has.</param>
/// <param name="InChild">True where the new process ran the step, false where the launching process did.</param>
public readonly record struct StepPosition(int Number, int Count, bool InChild)
{
    /// <inheritdoc/>
    public override string ToString() => $"launch step {Number} of {Count}, in the {(InChild ? "child" : "parent")}";
}
