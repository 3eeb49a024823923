using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Net.Nftables;

/// <summary>Control groups of version 2 in packet filters: the kernel knows them by number, people by path.
/// nft(8) takes paths below /sys/fs/cgroup.</summary>
internal static class NftCgroups
{
    private const string Mount = "/sys/fs/cgroup";

    /// <summary>The path as nft(8) has it: below /sys/fs/cgroup, unless it begins with a slash.</summary>
    internal static string FullPath(string path) => Path.GetFullPath(Path.Combine(Mount, path));

    /// <summary>The number of the control group with a directory.</summary>
    internal static SyscallResult TryNumber(string directory, out ulong number)
    {
        number = 0;
        SyscallResult opened = FileSyscalls.OpenAt(null, directory, Fcntl.O_PATH);
        if (opened.IsError)
            return opened;
        using var group = new LinuxHandle((int)opened.Value);
        SyscallResult result = FileSyscalls.Stat(group, out FileIdentity identity);
        number = identity.Inode;
        return result;
    }

    /// <summary>How far a directory is below the root of its hierarchy; -1 where it is no control group of version 2.</summary>
    internal static int LevelOf(string directory)
    {
        int level = -1;
        for (string? at = directory; at is not null && IsGroup(at); at = Path.GetDirectoryName(at))
            level++;
        return level;
    }

    /// <summary>The path of the control group with a number; null where there is none below /sys/fs/cgroup.</summary>
    internal static string? FindPath(ulong number)
    {
        // With version 1 beside it, version 2 is mounted one further down.
        foreach (string root in IsGroup(Mount) ? [Mount] : Directories(Mount).Where(IsGroup))
        {
            if (Find(root, number) is { } found)
                return found[(Mount.Length + 1)..];
        }

        return null;
    }

    // Every group of version 2 has this file, and no other directory.
    private static bool IsGroup(string directory) => File.Exists(Path.Combine(directory, "cgroup.controllers"));

    private static string? Find(string directory, ulong number)
    {
        foreach (string child in Directories(directory))
        {
            if (!TryNumber(child, out ulong found).IsError && found == number)
                return child;
            if (Find(child, number) is { } below)
                return below;
        }

        return null;
    }

    // Groups come and go.
    private static string[] Directories(string directory)
    {
        try
        {
            return Directory.GetDirectories(directory);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
