using System.Collections.Immutable;
using Isolation.Linux;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>AppArmor's profiles: which is in force, and which is to be. See apparmor(7).</summary>
public static class AppArmor
{
    internal const string Module = "apparmor";

    /// <summary>Whether the kernel runs AppArmor.</summary>
    public static bool IsActive => SecurityModules.Has(Module);

    /// <summary>The calling thread's profile with its mode: <c>unconfined</c>, <c>isolation-default (enforce)</c>;
    /// null where AppArmor is not active.</summary>
    public static string? ProfileOfCurrentThread => IsActive ? SecurityModules.LabelOfCurrentThread(Module) : null;

    /// <summary>The loaded profiles with their modes; empty where they cannot be read, which needs root.</summary>
    public static ImmutableSortedDictionary<string, string> Loaded
    {
        get
        {
            return TextFile.Lines(TextFile.ReadIfAllowed("/sys/kernel/security/apparmor/profiles") ?? "")
                .Select(l => (Line: l, At: l.LastIndexOf(" (", StringComparison.Ordinal))).Where(l => l.At > 0)
                .ToImmutableSortedDictionary(l => l.Line[..l.At], l => l.Line[(l.At + 2)..^1], StringComparer.Ordinal);
        }
    }

    /// <summary>A process's profile with its mode; null where AppArmor is not active.</summary>
    public static string? ProfileOf(int processId) => IsActive ? SecurityModules.LabelOf(Module, processId) : null;

    /// <summary>Sets the profile that the calling thread's next execve(2) puts in force: aa_change_onexec(3).</summary>
    /// <param name="profile">A loaded profile's name.</param>
    /// <param name="stack">Whether it is added to the present one, so that both hold: aa_stack_onexec(3), since Linux 4.8.</param>
    /// <exception cref="KernelFeatureException">AppArmor is not active.</exception>
    /// <exception cref="LinuxException"><c>ENOENT</c>: no such profile. <c>EACCES</c>: the present one does not allow it.</exception>
    public static void SetExecProfileForCurrentThread(string profile, bool stack = false)
    {
        Require();
        SecurityModules.WriteAttribute(Module, "exec", ExecText(profile, stack), "set the profile for the next program by");
    }

    /// <summary>Changes the calling thread's profile now: aa_change_profile(2).</summary>
    /// <inheritdoc cref="SetExecProfileForCurrentThread"/>
    public static void ChangeProfileOfCurrentThread(string profile, bool stack = false)
    {
        Require();
        ArgumentException.ThrowIfNullOrEmpty(profile);
        SecurityModules.WriteAttribute(Module, "current", (stack ? "stack " : "changeprofile ") + profile, "change the profile by");
    }

    internal static string ExecText(string profile, bool stack)
    {
        ArgumentException.ThrowIfNullOrEmpty(profile);
        return (stack ? "stack " : "exec ") + profile;
    }

    internal static void Require()
    {
        if (!IsActive)
            throw new KernelFeatureException("AppArmor",
                $"the kernel's active security modules are {string.Join(", ", SecurityModules.Active)}",
                "Boot with apparmor=1 security=apparmor, or do without a profile.");
    }
}
