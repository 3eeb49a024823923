using Isolation.Linux.Events;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Launching;

/// <summary>Reaps each process of the library when it ends; one thread waits for them all.</summary>
internal static class ExitWatcher
{
    /// <summary>Calls back once the process has ended and was reaped; the handle stays open.
    /// On the watcher's thread, which must not be blocked.</summary>
    /// <exception cref="LinuxException">It cannot be watched; the next call may try again.</exception>
    internal static void Watch(PidHandle process, Action<ExitStatus> ended) =>
        DescriptorWatcher.Begin(process, DescriptorWatcher.EPOLLIN, process, (watch, _) => TryReap(process, watch, ended));

    // The watch, which keeps the pidfd open, ends after the reaping.
    private static void TryReap(PidHandle process, long watch, Action<ExitStatus> ended)
    {
        if (WaitSyscalls.Reap(process, block: false) is { } status)
        {
            DescriptorWatcher.End(watch);
            ended(status);
            return;
        }

        // A tracer has seen the end first, and has not let it go yet.
        try
        {
            Deadline.After(TimeSpan.FromMilliseconds(20), () => TryReap(process, watch, ended));
        }
        catch (LinuxException)
        {
            BlockingWork.Cleanup.Post(() =>
            {
                ExitStatus late = WaitSyscalls.Reap(process, block: true) ?? default;
                DescriptorWatcher.End(watch);
                ended(late);
            });
        }
    }
}
