using Isolation.Linux;

namespace Isolation.Cgroups;

/// <summary>Finds the root of this process's cgroup namespace below a mount that was made outside of it.</summary>
/// <remarks>Such a mount's root is told as <c>/../..</c>: how far above it lies, and not by which names one comes down. The directory is
/// the one whose list of processes has this process.</remarks>
internal static class NamespaceRoot
{
    /// <summary>How many directories are looked at before the mount is given up.</summary>
    private const int MostDirectories = 20_000;

    private static readonly EnumerationOptions s_all = new() { AttributesToSkip = FileAttributes.None };

    /// <param name="mountPoint">The mount.</param>
    /// <param name="levels">How many levels the namespace's root lies below it.</param>
    /// <param name="self">This process's control group, from the namespace's root.</param>
    /// <returns>The directory; null where it cannot be found, as where this process may not read the lists.</returns>
    internal static string? Find(string mountPoint, int levels, string self)
    {
        int looked = 0;
        try
        {
            return Find(mountPoint, levels, CgroupPath.Parts(self, "/"), ref looked);
        }
        catch (Exception e) when (e is LinuxException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }

    private static string? Find(string directory, int levels, string[] self, ref int looked)
    {
        if (levels == 0)
            return HoldsThisProcess(directory, self) ? directory : null;
        foreach (string child in Directory.EnumerateDirectories(directory, "*", s_all))
        {
            if (++looked > MostDirectories)
                return null;
            if (Find(child, levels - 1, self, ref looked) is { } found)
                return found;
        }

        return null;
    }

    private static bool HoldsThisProcess(string root, string[] self)
    {
        try
        {
            using CgroupDirectory? own = CgroupDirectory.TryOpen(root, self);
            return own?.ReadIds("cgroup.procs").Contains(Environment.ProcessId) == true;
        }
        catch (LinuxException)
        {
            return false; // deleted meanwhile, or another user's, or threaded
        }
    }
}
