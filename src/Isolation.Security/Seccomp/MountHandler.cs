using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>Mounts on behalf of a caller that may not: mount(2) of some file systems, made by this process
/// in the caller's mount namespace.</summary>
internal sealed class MountHandler(ImmutableArray<string> fileSystems)
{
    // MS_RDONLY, NOSUID, NODEV, NOEXEC, SYNCHRONOUS, NOATIME, NODIRATIME, RELATIME, STRICTATIME, LAZYTIME, and the old magic number;
    // never MS_BIND, MS_MOVE, MS_REMOUNT or propagation.
    private const ulong Flags = 1 | 2 | 4 | 8 | 16 | 1024 | 2048 | (1 << 21) | (1 << 24) | (1 << 25), Magic = 0xC0ED0000,
        MagicMask = 0xffff0000;
    private const ulong NoSuidNoDev = 2 | 4;

    internal ValueTask<SeccompReply> Handle(SeccompNotification call)
    {
        ImmutableArray<ulong> a = call.Call.Arguments;
        if (call.Call.Name != "mount" || a[1] == 0 || a[2] == 0)
            return new(SeccompReply.Fail(Errno.EPERM));
        string type = call.ReadText(a[2], 64);
        ulong flags = (a[3] & MagicMask) == Magic ? a[3] & ~MagicMask : a[3];
        if (!fileSystems.Contains(type) || (flags & ~Flags) != 0)
            return new(SeccompReply.Fail(Errno.EPERM));
        string target = SeccompHandlers.Absolute(call, Fcntl.AT_FDCWD, call.ReadText(a[1]));
        string data = a[4] == 0 ? "" : call.ReadText(a[4]);
        if (type == "tmpfs" && !data.Split(',').Any(o => o.StartsWith("uid=", StringComparison.Ordinal)))
            data = Owned(call, data);
        using PidHandle? process = PidHandle.TryOpen(call.ProcessId());
        if (process is null || !call.IsWaiting)
            return new(SeccompReply.Fail(Errno.ESRCH));
        SyscallResult result = MountSyscalls.MountIn(process, type, target, flags | NoSuidNoDev, data);
        return new(result.IsError ? SeccompReply.Fail(result.Errno) : SeccompReply.Return());
    }

    // The ids are those of the initial user namespace, where this process makes the mount.
    private static string Owned(SeccompNotification call, string data)
    {
        string[] status = TextFile.Lines(TextFile.Read(string.Create(CultureInfo.InvariantCulture, $"/proc/{call.ThreadId}/status")));
        string Id(string key) => status.First(l => l.StartsWith(key, StringComparison.Ordinal)).Split('\t')[4];
        string owner = $"uid={Id("Uid:")},gid={Id("Gid:")}";
        return data.Length == 0 ? owner : $"{data},{owner}";
    }
}
