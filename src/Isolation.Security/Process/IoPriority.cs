using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>The priority of a thread's input and output; of effect with schedulers that know it (bfq,
/// mq-deadline). See ioprio_set(2).</summary>
/// <example><code>new IoPriority(IoPriorityClass.BestEffort, 7).SetForCurrentThread();</code></example>
/// <param name="Class">The class.</param>
/// <param name="Level">0, the most favourable, to 7, within the class.</param>
public sealed record IoPriority(IoPriorityClass Class, int Level = 4)
{
    private const int WhoProcess = 1, ClassShift = 13;

    /// <summary>The calling thread's.</summary>
    public static IoPriority OfCurrentThread
    {
        get
        {
            int value = (int)RawSyscall.Invoke(Syscall.ioprio_get, WhoProcess, 0).Value;
            return new((IoPriorityClass)(value >> ClassShift), value & 7);
        }
    }

    /// <summary>Sets the calling thread's, and that of what it starts.</summary>
    /// <exception cref="LinuxException"><c>EPERM</c>: real time needs <c>CAP_SYS_ADMIN</c> or <c>CAP_SYS_NICE</c>.
    /// <c>EINVAL</c>: the level is out of range.</exception>
    public void SetForCurrentThread() => ManagedInterpreter.Run(Step);

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Class}, level {Level}");

    internal PlanStep Step => new("set the I/O priority to", ToString(),
        [new SyscallStep(Syscall.ioprio_set, StepArgument.Flags(WhoProcess, "IOPRIO_WHO_PROCESS"), 0, ((int)Class << ClassShift) | Level)])
    {
        Hint = errno => errno == Errno.EPERM ? "Real time needs CAP_SYS_NICE." : null,
    };
}
