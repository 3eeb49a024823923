using Isolation.Linux.Events;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Launching;

/// <summary>Reaps each process of the library when it ends; one thread waits for them all.</summary>
internal static class ExitWatcher
{
    /// <summary>Calls back on the watcher's thread once the process has ended and was reaped; the handle stays open.</summary>
    internal static void Watch(PidHandle process, Action<ExitStatus> ended) =>
        DescriptorWatcher.Begin(process, DescriptorWatcher.EPOLLIN, process, (watch, _) =>
        {
            DescriptorWatcher.End(watch);
            ended(WaitSyscalls.Reap(process.Descriptor, block: true) ?? default);
        });
}
