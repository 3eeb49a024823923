using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Net;

/// <summary>Runs code in a network namespace, on a thread of its own: the caller stays in its namespace.</summary>
/// <example><code>
/// using LinuxHandle other = NetworkNamespace.Create();
/// NetworkNamespace.Run(other, Loopback.SetUp);
/// </code></example>
public static class NetworkNamespace
{
    /// <summary>Runs a function in a network namespace:
    /// opens a socket there, reads or writes its kernel settings below /proc/sys/net.</summary>
    /// <remarks>setns(2). A socket stays in the namespace in which it was made.</remarks>
    /// <param name="networkNamespace">A descriptor of it, or a pidfd of a process in it (since Linux 5.8); null runs it here.</param>
    /// <param name="function">Runs on a thread of its own.</param>
    /// <exception cref="LinuxException"><c>EPERM</c>: no <c>CAP_SYS_ADMIN</c> over it. <c>EINVAL</c>: not a network namespace.
    /// <c>ESRCH</c>: the process has ended.</exception>
    public static T Run<T>(LinuxHandle? networkNamespace, Func<T> function)
    {
        ArgumentNullException.ThrowIfNull(function);
        if (networkNamespace is null)
            return function();
        using var thread = new LinuxThread("isolation netns");
        return thread.Invoke(() =>
        {
            SyscallResult entered = RawSyscall.Invoke(Syscall.setns, networkNamespace, (nuint)Sched.CLONE_NEWNET);
            entered.ThrowIfError("enter", networkNamespace is PidHandle process
                ? $"the network namespace of {process}"
                : "a network namespace", "setns(2)", entered.Errno switch
                {
                    Errno.EPERM => "It needs CAP_SYS_ADMIN in the user namespace that owns it, and in its own.",
                    Errno.EINVAL => "The descriptor is not that of a network namespace.",
                    _ => null,
                });
            return function();
        });
    }

    /// <summary>Runs an action in a network namespace.</summary>
    /// <inheritdoc cref="Run{T}" path="/exception"/>
    public static void Run(LinuxHandle? networkNamespace, Action action)
    {
        ArgumentNullException.ThrowIfNull(action);
        Run(networkNamespace, () =>
        {
            action();
            return true;
        });
    }

    /// <summary>Makes a new network namespace, with only <c>lo</c> in it, which is down.
    /// It lasts as long as the handle, or anything else in it.</summary>
    /// <exception cref="LinuxException"><c>EPERM</c>: no <c>CAP_SYS_ADMIN</c>. <c>ENOSPC</c>: a limit was reached.</exception>
    public static LinuxHandle Create()
    {
        using var thread = new LinuxThread("isolation netns");
        return thread.Invoke(() =>
        {
            RawSyscall.Invoke(Syscall.unshare, (nuint)Sched.CLONE_NEWNET).ThrowIfError("make", "a network namespace", "unshare(2)");
            return OpenFile("/proc/thread-self/ns/net");
        });
    }

    /// <summary>Opens the network namespace of the calling thread, a process or a file:
    /// <c>/proc/PID/ns/net</c>, <c>/run/netns/NAME</c>.</summary>
    /// <param name="path">The file; null for the calling thread's.</param>
    /// <exception cref="LinuxException"><c>ENOENT</c>: no such file. <c>EACCES</c>: not allowed.</exception>
    public static LinuxHandle Open(string? path = null) => OpenFile(path ?? "/proc/thread-self/ns/net");

    /// <summary>The user namespace that owns a network namespace, and the latter's own descriptor;
    /// null where they cannot be told. The caller closes both.</summary>
    internal static (LinuxHandle User, LinuxHandle Network)? FindOwner(LinuxHandle networkNamespace)
    {
        const uint NS_GET_USERNS = 0xb701;
        LinuxHandle network;
        try
        {
            network = networkNamespace is PidHandle process ? OpenOf(process) : Reopen(networkNamespace);
        }
        catch (LinuxException)
        {
            return null;
        }

        SyscallResult owner = FileSyscalls.Ioctl(network, NS_GET_USERNS, 0);
        if (!owner.IsError)
            return (new LinuxHandle((int)owner.Value), network);
        network.Dispose();
        return null;
    }

    private static LinuxHandle OpenOf(PidHandle process)
    {
        LinuxHandle network = OpenFile(string.Create(CultureInfo.InvariantCulture, $"/proc/{process.ProcessId}/ns/net"));
        // Still running, it had its number all the while.
        if (!process.HasExited)
            return network;
        network.Dispose();
        throw new LinuxException("open the network namespace of", process.ToString(), "openat(2)", Errno.ESRCH);
    }

    private static LinuxHandle Reopen(LinuxHandle networkNamespace)
    {
        using Borrow file = new(networkNamespace);
        return OpenFile(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{file.Number}"));
    }

    private static LinuxHandle OpenFile(string path)
    {
        SyscallResult file = FileSyscalls.OpenAt(null, path, Fcntl.O_RDONLY);
        file.ThrowIfError("open network namespace", $"\"{path}\"", "openat(2)");
        return new LinuxHandle((int)file.Value);
    }
}
