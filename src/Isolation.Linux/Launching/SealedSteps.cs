using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Launching;

/// <summary>The steps that every sealed launch has: into the image, and the report out of it.</summary>
internal static class SealedSteps
{
    /// <summary>Starts the sealed image; what it needs survives, and nothing else does.</summary>
    /// <remarks>This process may have inherited descriptors that an execution does not close. An image outlives the launch, and whoever
    /// waits for the end of such a pipe must not wait for the image.</remarks>
    internal static PlanStep Execute(Slot file, IEnumerable<Slot> needed, string name = "isolation") => new("start", "the sealed image",
    [
        new SyscallStep(Syscall.close_range, 3, StepArgument.Flags(uint.MaxValue, "~0"),
            StepArgument.Flags(Fcntl.CLOSE_RANGE_CLOEXEC, "CLOSE_RANGE_CLOEXEC")),
        .. needed.Select(s => new SyscallStep(Syscall.fcntl, s, StepArgument.Flags(Fcntl.F_SETFD, "F_SETFD"), 0)),
        new SyscallStep(Syscall.execveat, file, "", StepArgument.StringArray([name]), StepArgument.StringArray([]),
            StepArgument.Flags(Fcntl.AT_EMPTY_PATH, "AT_EMPTY_PATH")),
    ])
    {
        Hint = errno => errno is Errno.EACCES or Errno.EPERM
            ? "Files in memory (memfd) may not be executed here: fapolicyd or another security module has to allow that for this program."
            : null,
    };

    /// <summary>Tells the parent that every step held: what follows is the program's own doing.</summary>
    internal static PlanStep ReportReady(Slot report) => new("report", "that all is set up",
        [new SyscallStep(Syscall.write, report, StepArgument.Words("{-1, 0}", 0x0000_0000_ffff_ffff), 8)]);
}
