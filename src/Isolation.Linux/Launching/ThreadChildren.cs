using System.Globalization;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Launching;

/// <summary>The children of the calling thread, from /proc/thread-self/children.</summary>
/// <remarks>A join leaves an intermediate process that clones the real one as its own sibling. Should the intermediate fail right after
/// that, nobody has the real one's id: it is what this thread has now and did not have before.</remarks>
internal static class ThreadChildren
{
    internal static HashSet<int> Read()
    {
        try
        {
            return [.. File.ReadAllText("/proc/thread-self/children").Split(' ', StringSplitOptions.RemoveEmptyEntries)
                .Select(id => int.Parse(id, NumberStyles.None, CultureInfo.InvariantCulture))];
        }
        catch (IOException)
        {
            return []; // a kernel without CONFIG_PROC_CHILDREN
        }
    }

    /// <summary>Kills and reaps every child that is not among those known before.</summary>
    internal static void KillNew(HashSet<int> before)
    {
        foreach (int id in Read().Where(id => !before.Contains(id)))
        {
            // Not reaped yet, so the number is still this child's.
            SyscallResult opened = RawSyscall.Invoke(Syscall.pidfd_open, (nuint)id, 0);
            if (opened.IsError)
                continue;
            using var child = new PidHandle((int)opened.Value, id);
            child.TrySendSignal(Sched.SIGKILL);
            WaitSyscalls.Reap(child.Descriptor, block: true);
        }
    }
}
