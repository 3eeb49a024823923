using System.Collections.Immutable;
using Isolation.Linux;
using Isolation.Linux.Syscalls;

namespace Isolation.Containers;

/// <summary>A directory or link in the host's root directory.</summary>
/// <param name="Name">Its name: <c>usr</c>.</param>
/// <param name="LinkTarget">Where it leads, if it is a symbolic link; null for a directory.</param>
/// <param name="HasMounts">Whether something is mounted on it or below it.</param>
public sealed record HostRootEntry(string Name, string? LinkTarget, bool HasMounts)
{
    internal static ImmutableArray<HostRootEntry> Read()
    {
        try
        {
            string[] mountPoints = [.. MountInfo.Read().Select(m => m.MountPoint)];
            var entries = ImmutableArray.CreateBuilder<HostRootEntry>();
            foreach (FileSystemInfo entry in new DirectoryInfo("/").EnumerateFileSystemInfos().OrderBy(e => e.Name, StringComparer.Ordinal))
            {
                string path = "/" + entry.Name;
                SyscallResult link = FileSyscalls.ReadLink(path, out string target);
                if (link.Errno is Errno.ENOENT || (link.Errno is Errno.EINVAL && entry is not DirectoryInfo))
                    continue; // it has gone meanwhile, or is a file
                if (link.Errno is not Errno.EINVAL)
                    link.ThrowIfError("read", $"\"{path}\"", "readlinkat(2)");
                entries.Add(new HostRootEntry(entry.Name, link.IsError ? null : target,
                    mountPoints.Any(m => m == path || m.StartsWith(path + "/", StringComparison.Ordinal))));
            }

            return entries.ToImmutable();
        }
        catch (IOException e)
        {
            throw LinuxException.Of("read", "\"/\"", e);
        }
    }
}
