using System.Globalization;
using Isolation.Linux.Syscalls;

namespace Isolation.Cgroups;

/// <summary>A transient scope that this process moves itself to when its first container needs a control group.</summary>
/// <param name="Unit">The unit's name.</param>
/// <param name="Slice">The slice that it is put in.</param>
/// <param name="Path">Where systemd makes its control group.</param>
internal sealed record PlannedScope(string Unit, string Slice, string Path)
{
    private static readonly Lock s_gate = new();
    private static bool s_isStarted;

    /// <summary>Asks the user's instance of systemd for the scope, once, and for this process to be moved there.</summary>
    internal void Start()
    {
        lock (s_gate)
        {
            if (s_isStarted)
                return;
            // 0 is the sender of the message: org.freedesktop.systemd1(5), "PIDs" of scopes.
            using SystemdScope scope = SystemdScope.Start(Unit, 0, slice: Slice, user: true);
            if (scope.Cgroup.Path != Path)
            {
                throw new Linux.KernelFeatureException("a scope of the user's systemd",
                    $"it was made at \"{scope.Cgroup.Path}\" and not at \"{Path}\"", "Start the program with Delegate=yes.");
            }

            s_isStarted = true;
        }
    }
}

/// <summary>An ordinary user's own instance of systemd: the owner of the control groups below the unit <c>user@UID.service</c>.</summary>
/// <param name="Root">That unit's control group.</param>
internal sealed record UserManager(string Root)
{
    // As desktops name the scopes of programs: app-NAME-RANDOM.scope. It does not begin like a container's control group.
    private static readonly string s_unit = string.Create(CultureInfo.InvariantCulture, $"app-isolation-{Random.Shared.Next():x8}.scope");

    /// <summary>Finds this user's, by a control group of one of its sessions or units; null for the superuser, and where no systemd of
    /// the user's can be reached.</summary>
    internal static UserManager? Find(string path)
    {
        ulong user = (ulong)RawSyscall.Invoke(Syscall.geteuid).Value;
        if (user == 0 || !HasBus || !SystemdScope.IsAvailable || !IsProcessOne)
            return null;
        string service = string.Create(CultureInfo.InvariantCulture, $"user@{user}.service");
        string slice = string.Create(CultureInfo.InvariantCulture, $"user-{user}.slice");
        string[] parts = Split(path);
        if (Array.IndexOf(parts, service) is var at and >= 0)
            return new(CgroupPath.Join(parts[..(at + 1)]));
        return Array.IndexOf(parts, slice) is var above and >= 0 ? new(CgroupPath.Join([.. parts[..(above + 1)], service])) : null;
    }

    /// <summary>Where a scope for this process would be, beside its own; null where it has to stay: a service's processes, by which systemd
    /// knows whether that runs, and those that are in a limit which the scope would be outside of.</summary>
    internal PlannedScope? PlanScope(string self, Func<IEnumerable<string>, bool> isLimited)
    {
        string[] own = Split(self), root = Split(Root);
        if (!own[^1].EndsWith(".scope", StringComparison.Ordinal))
            return null;
        string[] slices = !own.AsSpan().StartsWith(root) ? ["app.slice"]
            : [.. own.Skip(root.Length).TakeWhile(p => p.EndsWith(".slice", StringComparison.Ordinal))];
        string[] scope = [.. root, .. slices, s_unit];
        int common = own.Zip(scope).TakeWhile(p => p.First == p.Second).Count();
        return isLimited(Enumerable.Range(common + 1, own.Length - common).Select(n => CgroupPath.Join(own[..n]))) ? null
            : new PlannedScope(s_unit, slices.LastOrDefault() ?? "-.slice", CgroupPath.Join(scope));
    }

    /// <summary>Has systemd move a process to a delegated unit, or to a control group below it; false where there is no unit of this
    /// user's above that control group.</summary>
    internal bool TryAttach(string path, int processId)
    {
        string[] parts = Split(path), root = Split(Root);
        int unit = parts.AsSpan().StartsWith(root) ? Array.FindIndex(parts, root.Length, p => p.EndsWith(".scope", StringComparison.Ordinal)
            || p.EndsWith(".service", StringComparison.Ordinal)) : -1;
        if (unit < 0)
            return false;
        SystemdScope.Attach(parts[unit], unit == parts.Length - 1 ? "" : CgroupPath.Join(parts[(unit + 1)..]), processId);
        return true;
    }

    /// <summary>Whether a unit of this user's own systemd is delegated. That instance, unlike the system's, need not mark the control
    /// group.</summary>
    internal bool IsDelegated(string path)
    {
        string unit = path[(path.LastIndexOf('/') + 1)..];
        if (!path.StartsWith(Root + "/", StringComparison.Ordinal)
            || !(unit.EndsWith(".scope", StringComparison.Ordinal) || unit.EndsWith(".service", StringComparison.Ordinal)))
            return false;
        try
        {
            return SystemdScope.IsDelegated(unit);
        }
        catch (Exception e) when (e is Linux.LinuxException or Linux.KernelFeatureException)
        {
            return false; // systemd does not answer, or the control group is of a unit that has ended
        }
    }

    private static bool HasBus => Environment.GetEnvironmentVariable("DBUS_SESSION_BUS_ADDRESS") is { Length: > 0 }
        || (Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR") is { Length: > 0 } directory
            && File.Exists(System.IO.Path.Combine(directory, "bus")));

    /// <summary>Whether the numbers of processes are systemd's own.</summary>
    private static bool IsProcessOne => TextFile.ReadIfAllowed("/proc/1/comm") == "systemd\n";

    private static string[] Split(string path) => path.Split('/', StringSplitOptions.RemoveEmptyEntries);
}
