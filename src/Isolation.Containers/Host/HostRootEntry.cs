using System.Collections.Immutable;
using Isolation.Linux;

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
            return
            [
                .. new DirectoryInfo("/").EnumerateFileSystemInfos().Where(e => e is DirectoryInfo || e.LinkTarget is not null)
                    .OrderBy(e => e.Name, StringComparer.Ordinal)
                    .Select(e => new HostRootEntry(e.Name, e.LinkTarget,
                        mountPoints.Any(m => m == "/" + e.Name || m.StartsWith($"/{e.Name}/", StringComparison.Ordinal)))),
            ];
        }
        catch (IOException e)
        {
            throw LinuxException.Of("read", "\"/\"", e);
        }
    }
}
