using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Syscalls;

namespace Isolation.Cgroups;

/// <summary>Tells the processes of a control group that belong to this program from strangers: it, what it was started by within the group,
/// and all that these have started.</summary>
internal static class CgroupFamily
{
    /// <summary>The members that are no relatives of this process. One from outside of its PID namespace, whose number is told as 0, is
    /// none.</summary>
    internal static int[] Strangers(IReadOnlyCollection<int> members) => Strangers(members, Environment.ProcessId, ReadParent);

    /// <param name="members">The members.</param>
    /// <param name="self">This process.</param>
    /// <param name="readParent">Reads a process's parent: 0 for one outside of the PID namespace; null where the process has ended.</param>
    internal static int[] Strangers(IReadOnlyCollection<int> members, int self, Func<int, int?> readParent)
    {
        var parents = new Dictionary<int, int?>();
        int? Parent(int id) => parents.TryGetValue(id, out int? known) ? known : parents[id] = readParent(id);
        int eldest = self;
        while (Parent(eldest) is { } above and > 0 && members.Contains(above))
            eldest = above;
        bool IsStranger(int member)
        {
            int id = member;
            while (id > 0 && id != eldest)
            {
                if (Parent(id) is not { } above)
                    return id != member; // ended itself, else its parent has, and it is another's
                id = above;
            }

            return id != eldest;
        }

        return [.. members.Where(IsStranger)];
    }

    private static int? ReadParent(int id)
    {
        // The name in parentheses may hold anything: proc_pid_stat(5).
        if (TextFile.ReadIfAllowed(string.Create(CultureInfo.InvariantCulture, $"/proc/{id}/stat")) is { } stat)
            return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture);
        // Another user's is not seen where /proc is mounted with hidepid.
        using PidHandle? process = PidHandle.TryOpen(id);
        return process is null or { HasExited: true } ? null : 0;
    }
}
