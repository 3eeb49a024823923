using System.Collections.Immutable;

namespace Isolation.Cgroups;

/// <summary>What is given to a user who may manage the control groups below one.</summary>
public static class Delegation
{
    private static readonly string[] s_always = ["cgroup.procs", "cgroup.threads", "cgroup.subtree_control"];

    /// <summary>The files whose owner changes: those of /sys/kernel/cgroup/delegate, or the three that every kernel since 4.14 has.</summary>
    public static ImmutableArray<string> Files { get; } = Read();

    private static ImmutableArray<string> Read()
    {
        try
        {
            return [.. File.ReadAllText("/sys/kernel/cgroup/delegate").Split('\n', StringSplitOptions.RemoveEmptyEntries)];
        }
        catch (IOException)
        {
            return [.. s_always];
        }
    }
}
