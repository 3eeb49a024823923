using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Namespaces;

/// <summary>An open namespace: kept alive by this handle, compared by what it is. See namespaces(7), ioctl_nsfs(2).</summary>
/// <example><code>
/// using Namespace net = Namespace.Open(NamespaceKinds.Net, processId);
/// using LinuxThread inside = Namespace.Enter(net);
/// string[] links = inside.Invoke(() => Directory.GetDirectories("/sys/class/net"));
/// </code></example>
public sealed class Namespace : IDisposable, IEquatable<Namespace>
{
    private const uint NS_GET_USERNS = 0xb701, NS_GET_PARENT = 0xb702, NS_GET_NSTYPE = 0xb703, NS_GET_OWNER_UID = 0xb704;

    private readonly FileIdentity _identity;

    private Namespace(LinuxHandle handle, NamespaceKinds kind, FileIdentity identity)
    {
        Handle = handle;
        Kind = kind;
        _identity = identity;
    }

    /// <summary>The descriptor that keeps the namespace alive.</summary>
    public LinuxHandle Handle { get; }

    /// <summary>Its kind: exactly one.</summary>
    public NamespaceKinds Kind { get; }

    /// <summary>Its number on this host, as in <c>net:[4026531840]</c>.</summary>
    public ulong Id => _identity.Inode;

    /// <summary>Opens a namespace of a process.</summary>
    /// <param name="kind">Exactly one kind.</param>
    /// <param name="processId">The process id as seen by the caller.</param>
    /// <exception cref="LinuxException"><c>ENOENT</c>: no such process, or a kernel without this kind.
    /// <c>EACCES</c>: not allowed to trace it.</exception>
    public static Namespace Open(NamespaceKinds kind, int processId) =>
        Open(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/ns/{kind.FileName()}"));

    /// <summary>Opens a namespace of a process that is held by a pidfd, so that it cannot be another with the same number.</summary>
    /// <exception cref="LinuxException"><c>ESRCH</c>: the process has ended.</exception>
    public static Namespace Open(NamespaceKinds kind, PidHandle process)
    {
        ArgumentNullException.ThrowIfNull(process);
        Namespace opened = Open(kind, process.ProcessId);
        // The number was this process's when the file was opened if the process is still there now.
        SyscallResult alive = process.TrySendSignal(Signal.None);
        if (!alive.IsError || alive.Errno == Errno.EPERM)
            return opened;
        opened.Dispose();
        throw new LinuxException($"open the {kind.FileName()} namespace of", $"process {process.ProcessId}",
            "pidfd_send_signal(2)", alive.Errno);
    }

    /// <summary>Opens the namespace that the calling thread is in.</summary>
    public static Namespace OpenCurrent(NamespaceKinds kind) => Open($"/proc/thread-self/ns/{kind.FileName()}");

    /// <summary>Opens a namespace by a path: a file in /proc/PID/ns, or one that it was pinned to.</summary>
    /// <exception cref="LinuxException"><c>ENOENT</c>: no such file. <c>ENOTTY</c>: not a namespace.</exception>
    public static Namespace Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        SyscallResult file = FileSyscalls.OpenAt(null, path, Fcntl.O_RDONLY);
        file.ThrowIfError("open namespace", $"\"{path}\"", "openat(2)");
        return FromHandle(new LinuxHandle((int)file.Value), $"\"{path}\"");
    }

    /// <summary>Opens the user namespace that owns this one. Since Linux 4.9.</summary>
    /// <exception cref="LinuxException"><c>EPERM</c>: it is not an ancestor's or the caller's own.</exception>
    public Namespace OpenOwner() => Related(NS_GET_USERNS, "open the owning user namespace of");

    /// <summary>Opens the parent of a PID or user namespace. Since Linux 4.9.</summary>
    /// <exception cref="LinuxException"><c>EINVAL</c>: this kind has no parents.
    /// <c>EPERM</c>: the parent is out of the caller's reach.</exception>
    public Namespace OpenParent() => Related(NS_GET_PARENT, "open the parent of");

    /// <summary>The user id that owns a user namespace, as seen by the caller. Since Linux 4.11.</summary>
    /// <exception cref="LinuxException"><c>EINVAL</c>: not a user namespace.</exception>
    public uint OwnerUserId
    {
        get
        {
            uint owner = 0;
            NsfsSyscalls.GetOwner(Handle, NS_GET_OWNER_UID, ref owner)
                .ThrowIfError("read the owner of", ToString(), "ioctl(2) NS_GET_OWNER_UID");
            return owner;
        }
    }

    /// <summary>Makes new namespaces, on a new thread that is in them.</summary>
    /// <remarks>unshare(2). Scope: the returned thread. A user namespace cannot be made this way, since a .NET process has many
    /// threads; a new PID or time namespace holds the thread's children, not the thread. Needs <c>CAP_SYS_ADMIN</c>.</remarks>
    /// <param name="kinds">What to make.</param>
    /// <param name="propagation">What all mounts of a new mount namespace become, as in unshare(1): private by default, so that none made
    /// inside appears outside or the other way round. The copies are shared where the originals are, as on every host that systemd started.
    /// Null leaves them so: what is mounted inside then appears on the host.</param>
    /// <returns>The thread; disposing it leaves the namespaces, which then end unless something else keeps them.</returns>
    /// <exception cref="LinuxException"><c>EPERM</c>: no <c>CAP_SYS_ADMIN</c>. <c>EINVAL</c>: a user namespace;
    /// or the root directory is no mount, as after chroot(2). <c>ENOSPC</c>: a limit was reached.</exception>
    public static LinuxThread Unshare(NamespaceKinds kinds, MountPropagation? propagation = MountPropagation.Private) => OnNewThread(() =>
    {
        RawSyscall.Invoke(Syscall.unshare, (nuint)(uint)kinds).ThrowIfError("make new namespaces", kinds.CloneNames(), "unshare(2)",
            kinds.HasFlag(NamespaceKinds.User)
                ? "A process with several threads cannot move to a new user namespace; start a process in one instead."
                : null);
        if (kinds.HasFlag(NamespaceKinds.Mount) && propagation is { } travel)
            ManagedInterpreter.Run(RootSwitch.SetPropagation(travel));
    });

    /// <summary>Enters existing namespaces, on a new thread.</summary>
    /// <remarks>setns(2), in the given order. Scope: the returned thread. Needs <c>CAP_SYS_ADMIN</c> in the user namespaces that own them.
    /// Not into a mount namespace: a managed thread loads code at any time, and would load it from there. <see cref="Mounts.ApplyIn"/>
    /// mounts there; a container that joins, or a program, does the rest.</remarks>
    /// <param name="namespaces">Where to go; none a mount namespace.</param>
    /// <exception cref="ArgumentException">A mount namespace.</exception>
    /// <exception cref="LinuxException"><c>EPERM</c>: not allowed. <c>EINVAL</c>: a user namespace,
    /// or a PID namespace that is not a descendant.</exception>
    public static LinuxThread Enter(params IReadOnlyCollection<Namespace> namespaces)
    {
        ArgumentNullException.ThrowIfNull(namespaces);
        if (namespaces.FirstOrDefault(n => n.Kind == NamespaceKinds.Mount) is { } mount)
        {
            throw new ArgumentException($"{mount} is not entered: the runtime would load code from its root. "
                + "Mounts.ApplyIn mounts in it without running code there; "
                + $"{nameof(EnterTrustingCodeInside)} enters where every file in it is trusted.", nameof(namespaces));
        }

        return EnterAll(namespaces);
    }

    /// <summary>Enters existing namespaces, a mount namespace among them, on a new thread that from
    /// then on loads code from there.</summary>
    /// <remarks>As <see cref="Enter"/>. Whatever the runtime loads while the thread is inside, assemblies, resources and native libraries,
    /// it opens by paths that lead into the entered root. Whoever can write there, as the image of a container can, can run code in this
    /// process with all its rights. Only for roots whose every file is trusted.</remarks>
    /// <param name="namespaces">Where to go.</param>
    /// <exception cref="LinuxException"><c>EPERM</c>: not allowed. <c>EINVAL</c>: a user namespace,
    /// or a PID namespace that is not a descendant.</exception>
    public static LinuxThread EnterTrustingCodeInside(params IReadOnlyCollection<Namespace> namespaces)
    {
        ArgumentNullException.ThrowIfNull(namespaces);
        return EnterAll(namespaces);
    }

    private static LinuxThread EnterAll(IReadOnlyCollection<Namespace> namespaces) =>
        OnNewThread(() =>
        {
            // A thread that shares its root and working directory cannot enter a mount namespace.
            if (namespaces.Any(n => n.Kind == NamespaceKinds.Mount))
                RawSyscall.Invoke(Syscall.unshare, (nuint)Sched.CLONE_FS)
                    .ThrowIfError("separate", "the thread's root directory", "unshare(2)");
            foreach (Namespace target in namespaces)
            {
                RawSyscall.Invoke(Syscall.setns, target.Handle,
                    (nuint)(uint)target.Kind).ThrowIfError("enter", target.ToString(), "setns(2)",
                    target.Kind == NamespaceKinds.User
                        ? "A process with several threads cannot enter a user namespace; start a process in it instead."
                        : null);
            }
        });

    /// <summary>Binds the namespace to a file, which keeps it alive until <see cref="Unpin"/>, as <c>ip netns add</c> does.</summary>
    /// <param name="path">A path; an empty file is made where there is none.</param>
    /// <exception cref="LinuxException"><c>EPERM</c>: no <c>CAP_SYS_ADMIN</c>.
    /// <c>EINVAL</c>: a mount namespace on a mount that it contains.</exception>
    public void Pin(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        bool made = !File.Exists(path);
        if (made)
            File.Create(path).Dispose();
        using Borrow file = new(Handle);
        string source = string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{file.Number}");
        SyscallResult result = MountSyscalls.Mount(source, path, MountAbi.MS_BIND);
        if (result.IsError && made)
            File.Delete(path);
        result.ThrowIfError("pin", $"{this} to \"{path}\"", "mount(2)",
            result.Errno == Errno.EINVAL
                ? "A mount namespace can only be pinned to a mount with private propagation, from outside of it."
                : null);
    }

    /// <summary>Removes what <see cref="Pin"/> made: the mount, then the file.</summary>
    /// <exception cref="LinuxException"><c>EINVAL</c>: nothing is pinned there. <c>EPERM</c>: no <c>CAP_SYS_ADMIN</c>.</exception>
    public static void Unpin(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        MountSyscalls.Unmount(path, MountAbi.MNT_DETACH).ThrowIfError("unpin", $"\"{path}\"", "umount2(2)");
        File.Delete(path);
    }

    /// <summary>Whether both are the same namespace.</summary>
    public bool Equals(Namespace? other) => other is not null && Is(other._identity);

    /// <summary>Whether an open file of nsfs is this namespace.</summary>
    internal bool Is(FileIdentity file) =>
        (file.Inode, file.DeviceMajor, file.DeviceMinor) == (_identity.Inode, _identity.DeviceMajor, _identity.DeviceMinor);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as Namespace);

    /// <inheritdoc/>
    public override int GetHashCode() => _identity.Inode.GetHashCode();

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Kind.FileName()}:[{Id}]");

    /// <summary>Closes the handle.</summary>
    public void Dispose() => Handle.Dispose();

    internal static Namespace FromHandle(LinuxHandle handle, string subject)
    {
        SyscallResult kind = FileSyscalls.Ioctl(handle, NS_GET_NSTYPE, 0);
        SyscallResult stat = FileSyscalls.Stat(handle, out FileIdentity identity);
        if (!kind.IsError && !stat.IsError)
            return new Namespace(handle, (NamespaceKinds)(int)kind.Value, identity);
        handle.Dispose();
        throw new LinuxException("read the kind of namespace", subject, "ioctl(2) NS_GET_NSTYPE", kind.IsError ? kind.Errno : stat.Errno,
            remedy: kind.Errno == Errno.ENOTTY ? "The file is not a namespace." : null);
    }

    private Namespace Related(uint request, string action)
    {
        SyscallResult result = FileSyscalls.Ioctl(Handle, request, 0);
        result.ThrowIfError(action, ToString(), request == NS_GET_PARENT ? "ioctl(2) NS_GET_PARENT" : "ioctl(2) NS_GET_USERNS",
            result.Errno == Errno.EPERM ? "It lies outside of the caller's own namespaces." : null);
        return FromHandle(new LinuxHandle((int)result.Value), ToString());
    }

    private static LinuxThread OnNewThread(Action enter)
    {
        var thread = new LinuxThread("isolation namespace");
        try
        {
            thread.Invoke(enter);
            return thread;
        }
        catch
        {
            thread.Dispose();
            throw;
        }
    }
}
