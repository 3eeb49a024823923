using Isolation.Linux;

namespace Isolation.Containers;

/// <summary>A step of a launch failed. The child is gone, and everything that the launch made has been undone.</summary>
public sealed class LaunchException : LinuxException
{
    internal LaunchException(LaunchPlan plan, LaunchStep step, string call, Errno errno, string? remedy)
        : base(step.Action, step.Subject, call, errno, new StepPosition(step.Number, plan.Steps.Length, step.InChild), remedy)
    {
        Plan = plan;
        FailedStep = step;
    }

    /// <summary>The plan that failed; its text shows every step.</summary>
    public LaunchPlan Plan { get; }

    /// <summary>The step that failed.</summary>
    public LaunchStep FailedStep { get; }

    /// <summary>Whether all was set up and only the program itself could not be executed.</summary>
    public bool IsExecution => FailedStep.Number == Plan.Steps.Length;
}
