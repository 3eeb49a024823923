namespace Isolation.Linux;

/// <summary>Resources that a process used: getrusage(2)'s structure, from waitid(2).</summary>
/// <param name="UserTime">CPU time in user mode.</param>
/// <param name="SystemTime">CPU time in kernel mode.</param>
/// <param name="MaxResidentBytes">The largest resident set, in bytes: of the process, or of any one of the children that it waited for.
/// Null
/// where the process had the memory of the program that started it before it executed its own: the kernel counts the peak of that memory
/// too (fs/exec.c, <c>exec_mmap</c>). That is so where a container has no init; there the peak of its control group tells.</param>
/// <param name="MinorFaults">Page faults served without I/O.</param>
/// <param name="MajorFaults">Page faults that needed I/O.</param>
/// <param name="BlocksIn">Times the file system had to read.</param>
/// <param name="BlocksOut">Times the file system had to write.</param>
/// <param name="VoluntarySwitches">Context switches made while waiting.</param>
/// <param name="InvoluntarySwitches">Context switches forced by the scheduler.</param>
public readonly record struct ResourceUsage(
    TimeSpan UserTime,
    TimeSpan SystemTime,
    long? MaxResidentBytes,
    long MinorFaults,
    long MajorFaults,
    long BlocksIn,
    long BlocksOut,
    long VoluntarySwitches,
    long InvoluntarySwitches)
{
    /// <summary>User and system time together.</summary>
    public TimeSpan TotalTime => UserTime + SystemTime;
}
