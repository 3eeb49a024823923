using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>The restrictions of a running process, as the kernel reports them for its main thread. Immutable.</summary>
/// <remarks>From /proc/PID/status and /proc/PID/attr; see proc_pid_status(5). Of Landlock the kernel tells nothing.</remarks>
/// <example><code>Console.WriteLine(ProcessSecurity.Read(processId));</code></example>
/// <param name="ProcessId">The process.</param>
/// <param name="Name">Its name: the first 15 bytes.</param>
/// <param name="UserId">Its effective user id, as this process's user namespace has it.</param>
/// <param name="Capabilities">The five sets.</param>
/// <param name="NoNewPrivileges">Whether no_new_privs is set.</param>
/// <param name="SeccompMode">0 for none, 1 for strict, 2 for filters; null where the kernel has no seccomp.</param>
/// <param name="SeccompFilters">How many filters are loaded; null before Linux 5.9.</param>
/// <param name="Labels">The labels of the active security modules.</param>
/// <param name="SpeculationStoreBypass">What the kernel says of the mitigation: <c>thread vulnerable</c>.</param>
public sealed record ProcessSecurity(int ProcessId, string Name, uint UserId, CapabilityState Capabilities, bool NoNewPrivileges,
    int? SeccompMode, int? SeccompFilters,
    ImmutableSortedDictionary<string, string> Labels, string? SpeculationStoreBypass)
{
    /// <summary>Reads a process.</summary>
    /// <exception cref="Linux.LinuxException"><c>ESRCH</c>: there is no such process.</exception>
    public static ProcessSecurity Read(int processId)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(processId);
        string status = Security.Capabilities.ReadStatus(processId);
        return Parse(processId, status, SecurityModules.Active.Where(m => m is "apparmor" or "selinux" or "smack")
            .Select(m => (Module: m, Label: SecurityModules.LabelOf(m, processId))).Where(l => l.Label is not null)
            .ToImmutableSortedDictionary(l => l.Module, l => l.Label!, StringComparer.Ordinal));
    }

    internal static ProcessSecurity Parse(int processId, string status, ImmutableSortedDictionary<string, string> labels) => new(processId,
        Line(status, "Name:") ?? "",
        uint.Parse((Line(status, "Uid:") ?? "0\t0").Split('\t')[1], CultureInfo.InvariantCulture), CapabilityState.Parse(status),
        Line(status, "NoNewPrivs:") == "1",
        Number(status, "Seccomp:"), Number(status, "Seccomp_filters:"), labels, Line(status, "Speculation_Store_Bypass:"));

    /// <summary>A fact a line.</summary>
    public override string ToString()
    {
        string seccomp = SeccompMode switch
        {
            0 => "none",
            1 => "strict",
            2 => $"{SeccompFilters?.ToString(CultureInfo.InvariantCulture) ?? "some"} filters",
            _ => "not in this kernel",
        };
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"process {ProcessId}, \"{Name}\", user {UserId}\n")
            .Append(CultureInfo.InvariantCulture, $"no_new_privs: {(NoNewPrivileges ? "set" : "not set")}\n")
            .Append(CultureInfo.InvariantCulture, $"seccomp: {seccomp}\n");
        foreach ((string name, CapabilitySet set) in new[] { ("bounding", Capabilities.Bounding), ("permitted", Capabilities.Permitted),
            ("effective", Capabilities.Effective), ("inheritable", Capabilities.Inheritable), ("ambient", Capabilities.Ambient) })
            text.Append(CultureInfo.InvariantCulture, $"capabilities, {name}: {set}\n");
        foreach ((string module, string label) in Labels)
            text.Append(CultureInfo.InvariantCulture, $"{module}: {label}\n");
        return text.Append("Landlock: the kernel does not tell\n").ToString();
    }

    private static string? Line(string status, string key) =>
        status.Split('\n').FirstOrDefault(l => l.StartsWith(key, StringComparison.Ordinal)) is { } line ? line[key.Length..].Trim() : null;

    private static int? Number(string status, string key) =>
        int.TryParse(Line(status, key), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null;
}
