using System.Runtime.InteropServices;
using Isolation.Linux.Abi;
using Isolation.Linux.MachineCode;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Launching;

/// <summary>Runs steps in a child of the calling thread that starts in its namespaces and ends after them: system calls alone, in which
/// nothing can be loaded from the root that they enter. What they open is closed with the child.</summary>
internal static unsafe class StepChild
{
    /// <summary>Runs the steps and waits for them.</summary>
    /// <exception cref="LinuxException">A step failed; names its action and subject. Those before it stand.</exception>
    internal static void Run(params ReadOnlySpan<PlanStep> plan)
    {
        var writer = new SyscallProgramWriter(RuntimeInformation.ProcessArchitecture);
        writer.Add(new SyscallStep(Syscall.prctl, Prctl.PR_SET_PDEATHSIG, Sched.SIGKILL));
        foreach (PlanStep step in plan)
            writer.Add(step.Calls.AsSpan());
        writer.Add(new SyscallStep(Syscall.exit_group, 0));
        SyscallProgram program = writer.Build();
        using var memory = new ProgramMemory();
        memory.LoadChild(program);
        long result;
        Dumpable.Enter(); // entering a user namespace changes credentials, in this process's memory
        try
        {
            result = ExecutableCode.Launch(memory.Address);
        }
        finally
        {
            Dumpable.Leave();
        }

        if (result < 0)
            throw new LinuxException(plan[0].Action, plan[0].Subject, "clone(2)", (Errno)(-result));
        using var process = new PidHandle(memory.Int32(InterpreterLayout.PidDescriptor), (int)result);
        ExitStatus status = WaitSyscalls.Reap(process, block: true) ?? default;
        int index = memory.Int32(InterpreterLayout.FailedStep);
        if (index < 0 && status.Code == 0)
            return;
        Errno errno = index < 0 ? Errno.ECANCELED : (Errno)memory.Int32(InterpreterLayout.FailedErrno);
        index = Math.Max(0, index - 1);
        foreach (PlanStep step in plan)
        {
            if (index < step.Calls.Length)
                throw new LinuxException(step.Action, step.Subject, step.Calls[index].CallName, errno, remedy: errno == Errno.ECANCELED
                    ? "The child that was to do it was killed." : step.HintFor(step.Calls[index], errno));
            index -= step.Calls.Length;
        }
    }
}
