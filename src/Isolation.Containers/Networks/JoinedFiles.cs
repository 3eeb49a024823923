using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.InteropServices;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>The /etc/hosts and /etc/resolv.conf of the process whose network a container joins: the same network has the same
/// names.</summary>
/// <param name="Hosts">The hosts file as it is at the start; null where there is none.</param>
/// <param name="HostsPath">That file on this host, where it is one that is kept up as containers come and go; null where it is
/// not.</param>
/// <param name="Resolver">The resolver's file; null where there is none.</param>
internal sealed record JoinedFiles(string? Hosts, string? HostsPath, ResolverFile? Resolver)
{
    private const int MaxFileSize = 1 << 20;

    /// <summary>Finds those of the process whose network namespace is joined; null where there is no such process.</summary>
    internal static JoinedFiles? Find(ImmutableArray<JoinedNamespace> joined)
    {
        if (joined.FirstOrDefault(j => j.Kind == NamespaceKinds.Net)?.Handle is not PidHandle process)
            return null;
        SyscallResult opened = FileSyscalls.OpenAt(null, string.Create(CultureInfo.InvariantCulture, $"/proc/{process.ProcessId}/root"),
            Fcntl.O_PATH | Fcntl.O_DIRECTORY(RuntimeInformation.ProcessArchitecture));
        if (opened.IsError)
            return null; // not this user's, or ended: the launch says what is wrong
        using var root = new LinuxHandle((int)opened.Value);
        var files = new JoinedFiles(Read(root, "etc/hosts", out FileIdentity hosts), KeptPath(process, hosts),
            Read(root, "etc/resolv.conf", out _) is { } text ? ResolverFile.Parse(text.Split('\n')) : null);
        // Still there, it had its number all the while.
        return process.HasExited ? null : files;
    }

    /// <summary>The process's own files are as hostile as it may be: resolved inside its root, regular, and of bounded size.</summary>
    private static string? Read(LinuxHandle root, string path, out FileIdentity identity)
    {
        identity = default;
        SyscallResult opened = FileSyscalls.OpenAt2(root, path, Fcntl.O_RDONLY | Fcntl.O_NONBLOCK,
            OpenAt2Abi.RESOLVE_IN_ROOT | OpenAt2Abi.RESOLVE_NO_MAGICLINKS);
        if (opened.IsError)
            return null;
        using var file = new LinuxHandle((int)opened.Value);
        if (FileSyscalls.Stat(file, out identity).IsError || !identity.IsRegular || identity.Size > MaxFileSize)
            return null;
        return UserFiles.ReadAll(file, (int)identity.Size, out _);
    }

    /// <summary>The path of a network's hosts file that the process has mounted. What the process says of it is believed only where the
    /// file on this host is the same one.</summary>
    private static string? KeptPath(PidHandle process, FileIdentity hosts)
    {
        try
        {
            foreach (MountInfo mount in MountInfo.Read(process.ProcessId).Where(m => m.MountPoint == "/etc/hosts"))
            {
                if (NetworkState.FindHostsPath(mount.Root) is { } path && IsSame(path, hosts))
                    return path;
            }
        }
        catch (LinuxException e) when (e.Errno is Errno.ENOENT or Errno.ESRCH or Errno.EINVAL or Errno.EACCES or Errno.EPERM)
        {
            // ended, or not this user's
        }

        return null;
    }

    private static bool IsSame(string path, FileIdentity hosts)
    {
        SyscallResult opened = FileSyscalls.OpenAt(null, path, Fcntl.O_PATH | Fcntl.O_NOFOLLOW(RuntimeInformation.ProcessArchitecture));
        if (opened.IsError)
            return false;
        using var file = new LinuxHandle((int)opened.Value);
        return !FileSyscalls.Stat(file, out FileIdentity found).IsError
            && (found.DeviceMajor, found.DeviceMinor, found.Inode) == (hosts.DeviceMajor, hosts.DeviceMinor, hosts.Inode);
    }
}
