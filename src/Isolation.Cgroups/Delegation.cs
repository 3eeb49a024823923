using System.Collections.Immutable;
using Isolation.Linux;
using Isolation.Linux.Syscalls;

namespace Isolation.Cgroups;

/// <summary>What is given to a user who may manage the control groups below one.</summary>
public static class Delegation
{
    private static readonly string[] s_always = ["cgroup.procs", "cgroup.threads", "cgroup.subtree_control"];

    /// <summary>The files whose owner changes: those of /sys/kernel/cgroup/delegate,
    /// or the three that every kernel since 4.14 has.</summary>
    public static ImmutableArray<string> Files => Read();

    /// <summary>The marks of systemd: xattr <c>user.delegate</c> since version 251, and what only the superuser sees.</summary>
    private static readonly string[] s_marks = ["user.delegate", "trusted.delegate"];

    /// <summary>The ends of the names of systemd's units that have a control group: systemd.unit(5).</summary>
    private static readonly string[] s_units = [".service", ".scope", ".slice", ".socket", ".mount", ".swap"];

    /// <summary>Marks a control group as its user's to divide, as systemd does. Does nothing before Linux 5.7, which keeps no such
    /// mark.</summary>
    internal static void Mark(CgroupDirectory directory)
    {
        SyscallResult marked = ExtendedAttributeSyscalls.Set(directory.Handle, s_marks[0], "1"u8);
        if (marked.Errno is not (Errno.EOPNOTSUPP or Errno.EPERM))
            marked.ThrowIfError("mark as delegated", directory.Name(""), "fsetxattr(2)");
    }

    internal static bool IsMarked(CgroupDirectory directory)
    {
        Span<byte> value = stackalloc byte[2];
        foreach (string mark in s_marks)
        {
            if (ExtendedAttributeSyscalls.Get(directory.Handle, mark, value) is { IsError: false, Value: 1 } && value[0] == (byte)'1')
                return true;
        }

        return false;
    }

    /// <summary>Whether a control group of that name is a unit of systemd, which is its only writer unless it has delegated it: "Two Key
    /// Design Rules" of systemd's CGROUP_DELEGATION.</summary>
    internal static bool IsUnit(string name) => s_units.Any(end => name.EndsWith(end, StringComparison.Ordinal));

    private static ImmutableArray<string> Read()
    {
        string? files = TextFile.ReadIfAllowed("/sys/kernel/cgroup/delegate");
        return files is null ? [.. s_always] : [.. files.Split('\n', StringSplitOptions.RemoveEmptyEntries)];
    }
}
