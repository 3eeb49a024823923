using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>Finds where paths of a root lead that go through a link to something that is not there yet, as <c>/var/run/app</c> where
/// <c>/var/run</c> is a link to a missing <c>/run</c>: that is what has to be made.</summary>
/// <remarks>The root is not trusted, and may change. What is found is a path only, which the launch resolves inside the root like any
/// other.</remarks>
internal sealed class DanglingLinks : IDisposable
{
    private const int MaxLinks = 40; // the kernel's own limit: path_resolution(7)

    // What the host's root shows as directories in memory, or as mounts of the container's own.
    private static readonly string[] s_notOfTheHost = ["/run", "/tmp", "/proc", "/sys", "/dev"];

    private readonly List<LinuxHandle> _layers = [];
    private readonly List<string> _mounted = [];
    private readonly bool _isHost;

    private DanglingLinks(Rootfs rootfs)
    {
        _isHost = rootfs is HostRootfs;
        foreach (string layer in rootfs.Layers)
        {
            SyscallResult opened = FileSyscalls.OpenAt(null, layer,
                Fcntl.O_PATH | Fcntl.O_DIRECTORY(RuntimeInformation.ProcessArchitecture));
            if (opened.IsAbsent)
                continue; // the launch will say what is wrong with the root
            opened.ThrowIfError("open", $"\"{layer}\"", "openat(2)");
            _layers.Add(new LinuxHandle((int)opened.Value));
        }
    }

    /// <summary>Where the destinations of a spec's mounts and its working directory lead; those that are as they are named are left
    /// out.</summary>
    internal static ImmutableDictionary<string, string> Find(ContainerSpec spec)
    {
        var found = ImmutableDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        using var links = new DanglingLinks(spec.Rootfs);
        foreach (Mount mount in spec.Mounts)
        {
            // Those of the kernel's own file systems follow no link.
            if (mount is not (ProcMount or SysfsMount or DevMount or Cgroup2Mount) && links.Follow(mount.Destination) is { } leads)
                found[mount.Destination] = leads;
            links._mounted.Add(found.GetValueOrDefault(mount.Destination, mount.Destination).TrimEnd('/'));
        }

        if (spec.CreateWorkingDirectory && links.Follow(spec.WorkingDirectory) is { } directory)
            found[spec.WorkingDirectory] = directory;
        return found.ToImmutable();
    }

    public void Dispose() => _layers.ForEach(l => l.Dispose());

    private string? Follow(string path)
    {
        var left = new Stack<string>(Parts(path).Reverse());
        var resolved = new List<string>();
        int links = 0;
        bool missing = false;
        while (left.TryPop(out string? part))
        {
            if (part == "..")
            {
                resolved.RemoveRange(Math.Max(resolved.Count - 1, 0), Math.Min(resolved.Count, 1));
                continue;
            }

            string here = "/" + string.Join('/', resolved.Append(part));
            if (_mounted.Any(m => here == m || here.StartsWith(m + "/", StringComparison.Ordinal)))
                return null; // what is mounted there is there by then
            (missing, string? target) = missing ? (true, null) : Look(here);
            if (target is null)
            {
                resolved.Add(part);
                continue;
            }

            if (++links > MaxLinks)
                return null;
            if (target.StartsWith('/'))
                resolved.Clear();
            foreach (string next in Parts(target).Reverse())
                left.Push(next);
        }

        // Deeper than is made: the launch will say that the link leads nowhere.
        return missing && links > 0 && resolved.Count <= InRoot.MaxDepth ? "/" + string.Join('/', resolved) : null;
    }

    /// <summary>What the topmost layer that knows a path has there. No part before the last is a link.</summary>
    private (bool Missing, string? Target) Look(string path)
    {
        if (_isHost && s_notOfTheHost.Contains(path))
            return (true, null);
        ulong resolve = OpenAt2Abi.RESOLVE_BENEATH | OpenAt2Abi.RESOLVE_NO_SYMLINKS | (_isHost ? OpenAt2Abi.RESOLVE_NO_XDEV : 0);
        foreach (LinuxHandle layer in _layers)
        {
            SyscallResult opened = FileSyscalls.OpenAt2(layer, path[1..],
                Fcntl.O_PATH | Fcntl.O_NOFOLLOW(RuntimeInformation.ProcessArchitecture), resolve);
            if (opened.Errno == Errno.ENOENT)
                continue;
            if (opened.IsAbsent || opened.Errno == Errno.EXDEV)
                return (opened.Errno is Errno.ENOTDIR or Errno.ELOOP or Errno.EXDEV, null);
            opened.ThrowIfError("look at", $"the root's \"{path}\"", "openat2(2)");
            using var file = new LinuxHandle((int)opened.Value);
            FileSyscalls.Stat(file, out FileIdentity identity).ThrowIfError("look at", $"the root's \"{path}\"", "statx(2)");
            // A device 0:0 says that what lies below is removed: the kernel's overlayfs document, "whiteouts".
            bool isWhiteout = identity is { IsDevice: true, RdevMajor: 0, RdevMinor: 0 };
            if (!identity.IsLink)
                return (isWhiteout, null);
            FileSyscalls.ReadLink(file, out string target).ThrowIfError("read the link", $"the root's \"{path}\"", "readlinkat(2)");
            return (isWhiteout, target);
        }

        return (true, null);
    }

    private static IEnumerable<string> Parts(string path) => path.Split('/', StringSplitOptions.RemoveEmptyEntries).Where(p => p != ".");
}
