using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

public sealed partial class SeccompFilter
{
    /// <summary>Loads the filter on the calling thread, for good.</summary>
    /// <remarks>Calls seccomp(2), <c>SECCOMP_SET_MODE_FILTER</c>. Scope: the calling thread, and threads and processes that it starts;
    /// other threads stay as they are. Filters add up: the strictest answer holds. The CLR needs the calls of <see cref="DotNet"/> on every
    /// thread.</remarks>
    /// <exception cref="LinuxException"><c>EACCES</c>: neither <c>CAP_SYS_ADMIN</c> nor no_new_privs.</exception>
    /// <exception cref="SeccompLimitException">The program would be longer than the kernel takes.</exception>
    public void LoadOnCurrentThread() => ManagedInterpreter.Run(SeccompSteps.Load(this));

    /// <summary>Loads the filter on every thread of the process at once, for good: <c>SECCOMP_FILTER_FLAG_TSYNC</c>.</summary>
    /// <remarks>Threads without no_new_privs get it from the calling one. All threads get it or none. Since Linux 3.17.</remarks>
    /// <exception cref="LinuxException"><c>EACCES</c>: neither <c>CAP_SYS_ADMIN</c> nor no_new_privs.
    /// <c>ESRCH</c>: a thread, which is named, has a filter of its own that the calling one has not.</exception>
    /// <exception cref="SeccompLimitException">The program would be longer than the kernel takes.</exception>
    public void LoadOnAllThreads()
    {
        SyscallResult result = ManagedInterpreter.Result(SeccompSteps.Call(Compile(),
            SeccompSteps.Flags(this, SeccompAbi.SECCOMP_FILTER_FLAG_TSYNC)));
        if (result.IsError)
            throw new LinuxException("load a seccomp filter on", "all threads", "seccomp(2)", result.Errno,
                remedy: SeccompSteps.Hint(result.Errno));
        if (result.Value > 0)
        {
            throw new LinuxException("load a seccomp filter on", "all threads", "seccomp(2)", Errno.ESRCH,
                remedy: $"Thread {result.Value.ToString(CultureInfo.InvariantCulture)}{ThreadName(result.Value)} has filters of its own "
                    + "that the calling thread has not; none was loaded.");
        }
    }

    /// <summary>Loads the filter on the calling thread and returns the listener at which calls with
    /// <see cref="SeccompAction.UserNotify"/> wait.</summary>
    /// <remarks><c>SECCOMP_FILTER_FLAG_NEW_LISTENER</c>, since Linux 5.0. A process has one listener at most. Give it to
    /// <see cref="SeccompNotifier.Start(SeccompListener, SeccompHandler)"/>, in a thread or process without the filter.</remarks>
    /// <exception cref="LinuxException"><c>EACCES</c>: neither <c>CAP_SYS_ADMIN</c> nor no_new_privs.
    /// <c>EBUSY</c>: there is a listener already.</exception>
    public SeccompListener LoadOnCurrentThreadWithListener()
    {
        SyscallResult result = ManagedInterpreter.Result(SeccompSteps.Call(Compile(),
            SeccompSteps.Flags(this, SeccompAbi.SECCOMP_FILTER_FLAG_NEW_LISTENER)));
        if (result.IsError)
            throw new LinuxException("load", "a seccomp filter with a listener", "seccomp(2)", result.Errno,
                remedy: SeccompSteps.Hint(result.Errno));
        return new SeccompListener((int)result.Value);
    }

    private static string ThreadName(long threadId)
    {
        string? name = TextFile.ReadIfAllowed(string.Create(CultureInfo.InvariantCulture, $"/proc/self/task/{threadId}/comm"));
        return name is null ? "" : $" (\"{PrintableText.Of(name.TrimEnd('\n'))}\")"; // null: it has ended
    }
}
