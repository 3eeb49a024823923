using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>Ready-made handlers for a <see cref="SeccompNotifier"/>. Those that decide by a path or an address do the work themselves:
/// what the caller's memory holds later has no effect.</summary>
/// <example><code>builder = builder.WithSeccomp(filter, SeccompHandlers.OpenBelow(writable: false, "/srv/data"));</code></example>
public static class SeccompHandlers
{
    private const uint O_ACCMODE = 3, O_CREAT = 0x40;

    /// <summary>Answers calls by their names.</summary>
    /// <param name="otherwise">Answers those that have no handler.</param>
    /// <param name="handlers">A handler a name.</param>
    public static SeccompHandler ByName(SeccompHandler otherwise, params ReadOnlySpan<(string Syscall, SeccompHandler Handler)> handlers)
    {
        var byName = new Dictionary<string, SeccompHandler>(StringComparer.Ordinal);
        foreach ((string syscall, SeccompHandler handler) in handlers)
            byName.Add(syscall, handler);
        return call => call.Call.Name is { } name && byName.TryGetValue(name, out SeccompHandler? handler)
            ? handler(call)
            : otherwise(call);
    }

    /// <summary>Tells of each call and lets the kernel make it.</summary>
    public static SeccompHandler Observe(Action<SeccompNotification> observer) => call =>
    {
        observer(call);
        return new(SeccompReply.Continue);
    };

    /// <summary>Opens files on the caller's behalf, below some directories only: open(2), openat(2), openat2(2), creat(2).
    /// Others fail with <c>EACCES</c>.</summary>
    /// <remarks>Opened with this process's rights, in its mount namespace, by openat2(2) with <c>RESOLVE_BENEATH</c>: neither <c>..</c> nor
    /// a link leads out. The caller gets the descriptor.</remarks>
    /// <param name="writable">Whether files may be opened for writing and made.</param>
    /// <param name="directories">Absolute paths.</param>
    public static SeccompHandler OpenBelow(bool writable, params ReadOnlySpan<string> directories)
    {
        ImmutableArray<string> roots = [.. directories];
        foreach (string root in roots)
        {
            if (!Path.IsPathRooted(root))
                throw new ArgumentException($"\"{root}\" is no absolute path.", nameof(directories));
        }

        return call => new(Open(call, roots, writable));
    }

    /// <summary>Connects sockets on the caller's behalf, to addresses that a predicate allows. Others fail with <c>EACCES</c>.</summary>
    /// <remarks>Connected by this process on a copy of the caller's socket (pidfd_getfd(2)), hence in the caller's network namespace.
    /// Waits on a pool thread.</remarks>
    /// <param name="allows">Decides by an <see cref="IPEndPoint"/> or a <see cref="UnixDomainSocketEndPoint"/>.</param>
    public static SeccompHandler ConnectTo(Func<EndPoint, bool> allows) => async call =>
    {
        if (call.Call.Name != "connect" || call.Call.Arguments[2] is < 2 or > 128)
            return SeccompReply.Fail(Errno.EINVAL);
        var address = new byte[(int)call.Call.Arguments[2]];
        if (call.ReadMemory(call.Call.Arguments[1], address) != address.Length)
            return SeccompReply.Fail(Errno.EFAULT);
        if (ReadAddress(address) is not { } endPoint || !allows(endPoint))
            return SeccompReply.Fail(Errno.EACCES);
        using LinuxHandle socket = call.GetDescriptor((int)call.Call.Arguments[0]);
        SyscallResult result = await Task.Run(() => SeccompSyscalls.Connect(socket, address)).ConfigureAwait(false);
        return result.IsError ? SeccompReply.Fail(result.Errno) : SeccompReply.Return();
    };

    /// <summary>Makes mounts on the caller's behalf, in its mount namespace: mount(2) of some file systems, always nosuid and nodev.
    /// Everything else of mount(2) fails with <c>EPERM</c>.</summary>
    /// <remarks>Needs <c>CAP_SYS_ADMIN</c> and <c>CAP_SYS_CHROOT</c> here. Paths are those of the root of the caller's mount namespace. A
    /// tmpfs belongs to the caller. Have the filter answer fsopen(2), open_tree(2) and their kin with <c>ENOSYS</c>, so that mount(8) makes
    /// this call.</remarks>
    /// <param name="fileSystems">Which: <c>tmpfs</c>, <c>ramfs</c>. Never one whose driver reads what the caller can write.</param>
    public static SeccompHandler Mount(params ReadOnlySpan<string> fileSystems) => new MountHandler([.. fileSystems]).Handle;

    /// <summary>Reads a <c>struct sockaddr</c>; null for families other than Internet and Unix.</summary>
    internal static EndPoint? ReadAddress(ReadOnlySpan<byte> address)
    {
        switch (BinaryPrimitives.ReadUInt16LittleEndian(address))
        {
            case 1 when address.Length > 2:
                ReadOnlySpan<byte> path = address[2..];
                int end = path[0] == 0 ? -1 : path.IndexOf((byte)0);
                return new UnixDomainSocketEndPoint(Encoding.UTF8.GetString(end < 0 ? path : path[..end]));
            case 2 when address.Length >= 8:
                return new IPEndPoint(new IPAddress(address.Slice(4, 4)), BinaryPrimitives.ReadUInt16BigEndian(address[2..]));
            case 10 when address.Length >= 24:
                return new IPEndPoint(new IPAddress(address.Slice(8, 16)), BinaryPrimitives.ReadUInt16BigEndian(address[2..]));
            default:
                return null;
        }
    }

    /// <summary>What an opening call opens: the path, made absolute by the caller's directory, and the flags. Null if it is none.</summary>
    internal static (string Path, uint Flags, uint Mode)? ReadOpen(SeccompNotification call)
    {
        ImmutableArray<ulong> a = call.Call.Arguments;
        switch (call.Call.Name)
        {
            case "open":
                return (Absolute(call, Fcntl.AT_FDCWD, call.ReadText(a[0])), (uint)a[1], (uint)a[2]);
            case "creat":
                return (Absolute(call, Fcntl.AT_FDCWD, call.ReadText(a[0])), O_CREAT | 1 | 0x200, (uint)a[1]);
            case "openat":
                return (Absolute(call, (int)a[0], call.ReadText(a[1])), (uint)a[2], (uint)a[3]);
            case "openat2" when a[3] >= 24:
                var how = new byte[24];
                if (call.ReadMemory(a[2], how) != 24)
                    return null;
                return (Absolute(call, (int)a[0], call.ReadText(a[1])), (uint)BinaryPrimitives.ReadUInt64LittleEndian(how),
                    (uint)BinaryPrimitives.ReadUInt64LittleEndian(how.AsSpan(8)));
            default:
                return null;
        }
    }

    internal static string Absolute(SeccompNotification call, int directory, string path)
    {
        if (path.StartsWith('/'))
            return path;
        string link = directory == Fcntl.AT_FDCWD ? "cwd" : FormattableString.Invariant($"fd/{directory}");
        string? at = new FileInfo(FormattableString.Invariant($"/proc/{call.ThreadId}/{link}")).LinkTarget;
        return at is null || path.Length == 0 ? at ?? path : Path.Combine(at, path);
    }

    private static SeccompReply Open(SeccompNotification call, ImmutableArray<string> roots, bool writable)
    {
        if (ReadOpen(call) is not { } open)
            return SeccompReply.Fail(Errno.EINVAL);
        if (!writable && ((open.Flags & O_ACCMODE) != 0 || (open.Flags & (O_CREAT | 0x200)) != 0))
            return SeccompReply.Fail(Errno.EACCES);
        string path = Path.GetFullPath(open.Path);
        foreach (string root in roots)
        {
            string rest = Path.GetRelativePath(root, path);
            if (Path.IsPathRooted(rest) || rest == ".." || rest.StartsWith("../", StringComparison.Ordinal))
                continue;
            SyscallResult directory = FileSyscalls.OpenAt(null, root, Fcntl.O_PATH);
            if (directory.IsError)
                return SeccompReply.Fail(directory.Errno);
            using var handle = new LinuxHandle((int)directory.Value);
            uint mode = (open.Flags & O_CREAT) != 0 ? open.Mode & 0xfff : 0;
            SyscallResult file = FileSyscalls.OpenAt2(handle, rest, open.Flags,
                OpenAt2Abi.RESOLVE_BENEATH | OpenAt2Abi.RESOLVE_NO_MAGICLINKS, mode);
            if (file.IsError)
                return SeccompReply.Fail(file.Errno == Errno.EXDEV ? Errno.EACCES : file.Errno);
            return SeccompReply.ReturnDescriptor(new LinuxHandle((int)file.Value), (open.Flags & Fcntl.O_CLOEXEC) != 0);
        }

        return SeccompReply.Fail(Errno.EACCES);
    }
}
