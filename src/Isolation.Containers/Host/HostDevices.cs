using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>The devices of the host, for a privileged container.</summary>
internal static class HostDevices
{
    /// <summary>What a container has of its own, by the path below /dev; the console is the host's terminal.</summary>
    private static readonly HashSet<string> s_own =
        ["null", "zero", "full", "random", "urandom", "tty", "ptmx", "console", "pts", "shm", "mqueue", "fd", "stdin", "stdout", "stderr"];

    /// <summary>Mounts for the devices below /dev, as docker has them: its own kinds and links are left out.</summary>
    /// <param name="destination">The container's /dev.</param>
    internal static IEnumerable<DeviceMount> Find(string destination) => Below("/dev", "").Order(StringComparer.Ordinal)
        .Select(d => new DeviceMount("/dev/" + d, $"{destination.TrimEnd('/')}/{d}"));

    private static IEnumerable<string> Below(string directory, string prefix)
    {
        foreach (string name in Names(directory).Where(n => prefix.Length > 0 || !s_own.Contains(n)))
        {
            SyscallResult opened = FileSyscalls.OpenAt(null, $"{directory}/{name}",
                Fcntl.O_PATH | Fcntl.O_NOFOLLOW(System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture));
            if (opened.Errno is Errno.ENOENT or Errno.EACCES)
                continue; // it has gone, or is not for this user
            opened.ThrowIfError("look at", $"\"{directory}/{name}\"", "openat(2)");
            using var file = new LinuxHandle((int)opened.Value);
            FileSyscalls.Stat(file, out FileIdentity identity).ThrowIfError("look at", $"\"{directory}/{name}\"", "statx(2)");
            if (identity.IsDirectory)
            {
                foreach (string below in Below($"{directory}/{name}", $"{prefix}{name}/"))
                    yield return below;
            }
            else if (identity.IsDevice)
            {
                yield return prefix + name;
            }
        }
    }

    private static string[] Names(string directory)
    {
        try
        {
            return [.. Directory.EnumerateFileSystemEntries(directory).Select(e => Path.GetFileName(e))];
        }
        catch (Exception e) when (e is DirectoryNotFoundException or UnauthorizedAccessException)
        {
            return []; // it is not there, or not for this user
        }
        catch (IOException e)
        {
            throw LinuxException.Of("read", $"\"{directory}\"", e);
        }
    }
}
