using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Containers;

internal sealed partial class SpecValidator
{
    private void CheckSecurity()
    {
        SecuritySettings security = _spec.Security;
        SeccompFilter? given = security.SeccompUnconfined ? null : security.Seccomp;
        // The default filter allows it.
        Require(given is null || given.Explain("execve").Action.MayRun, "linux.seccomp",
            "must allow execve, by which the program is started",
            given?.Explain("execve").ToString().TrimEnd('.'));
        // Each call would wait for an answer, the program's own execve first.
        Require(given?.DefaultAction.Kind != SeccompActionKind.UserNotify || start.SeccompHandler is not null,
            "linux.seccomp.defaultAction", "must not be a notification that nobody answers", "SCMP_ACT_NOTIFY");
        // No process traces a container at its start, and a call without a tracer fails with ENOSYS: seccomp(2), SECCOMP_RET_TRACE.
        Require(given?.DefaultAction.Kind != SeccompActionKind.Trace, "linux.seccomp.defaultAction",
            "must not be a trace: without a tracer every call that no rule names fails with ENOSYS", "SCMP_ACT_TRACE");
        bool notifies = !security.SeccompUnconfined
            && (security.ReportDenials || start.SeccompHandler is not null || given is { Notifies: true });
        // Without no_new_privs a filter is loaded while there is CAP_SYS_ADMIN:
        // before the change of credentials, whose calls it would stop.
        Require(!notifies || _spec.NoNewPrivileges || _spec.Capabilities.Effective.Contains(Capability.SysAdmin), "process.noNewPrivileges",
            "must be set for a filter with notifications or a report, unless the program has CAP_SYS_ADMIN", "false");
        bool labelled = security.AppArmorProfile is not null || security.SELinuxContext is not null;
        Require(!labelled || HasMount<ProcMount>(), "process.apparmorProfile", "and SELinux labels need a /proc mount of its own", null);
        Require(security.AppArmorProfile is not { } profile || (profile.Length > 0 && IsText(profile) && !profile.Any(char.IsControl)),
            "process.apparmorProfile", "must be the name of a profile",
            security.AppArmorProfile is null ? null : Shown(security.AppArmorProfile));
    }

    private bool HasMount<T>() where T : Mount => _spec.Mounts.Any(m => m is T);
}
