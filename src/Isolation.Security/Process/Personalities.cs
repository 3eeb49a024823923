using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>Reads and sets the execution domain.</summary>
public static class Personalities
{
    /// <summary>The calling thread's.</summary>
    public static Personality OfCurrentThread => (Personality)(uint)RawSyscall.Invoke(Syscall.personality, uint.MaxValue).Value;

    /// <summary>Sets the calling thread's, and that of what it starts: personality(2).</summary>
    public static void SetForCurrentThread(Personality personality) => ManagedInterpreter.Run(Step(personality));

    internal static PlanStep Step(Personality personality) => new("set the personality to", personality.ToString(),
        [new SyscallStep(Syscall.personality, StepArgument.Flags((uint)personality, personality.ToString()))]);
}
