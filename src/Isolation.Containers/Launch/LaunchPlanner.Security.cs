using Isolation.Linux;
using Isolation.Security;

namespace Isolation.Containers;

internal sealed partial class LaunchPlanner
{
    private SecuritySettings Security => _spec.Security;

    /// <summary>The filter that was asked for; null for none.</summary>
    private SeccompFilter? WantedFilter => Security.SeccompUnconfined ? null : Security.Seccomp
        ?? SeccompFilter.DefaultFor(_spec.Capabilities.Bounding).WithArchitectures(_facts.Architecture == System.Runtime.InteropServices.Architecture.Arm64 ? SeccompArchitecture.Arm64 : SeccompArchitecture.X64);

    /// <summary>The filter whose calls this process answers; null if it answers none.</summary>
    private SeccompFilter? NotifiedFilter => WantedFilter is not { } filter ? null
        : Security.ReportDenials ? ListenerSteps.LetPass(filter.WithDenialsNotified())
        : filter.Notifies || Security.SeccompHandler is not null ? ListenerSteps.LetPass(filter) : null;

    /// <summary>Without no_new_privs a filter can be loaded only with CAP_SYS_ADMIN: before the change of credentials takes it, whose calls the filter must then allow.</summary>
    private bool FiltersBeforeCredentials => !_spec.NoNewPrivileges && !_spec.Capabilities.Effective.Contains(Capability.SysAdmin);

    private void RequirePossibleSecurity()
    {
        var faults = new List<SpecFault>();
        if (WantedFilter is { } filter)
        {
            if (!filter.Explain("execve").Action.MayRun)
                faults.Add(new SpecFault("linux.seccomp", "must allow execve, by which the program is started", filter.Explain("execve").ToString()));
            if (NotifiedFilter is not null && FiltersBeforeCredentials)
                faults.Add(new SpecFault("process.noNewPrivileges", "must be set for a filter with notifications or a report, unless the program has CAP_SYS_ADMIN", "false"));
        }

        bool labelled = Security.AppArmorProfile is not null || Security.SELinuxContext is not null;
        if (labelled && !_spec.Mounts.Any(m => m is Namespaces.ProcMount))
            faults.Add(new SpecFault("process.apparmorProfile", "and SELinux labels need a /proc mount of its own", null));
        if (faults.Count > 0)
            throw new SpecException(faults);
        RequireModule("apparmor", "an AppArmor profile", Security.AppArmorProfile is not null, "Boot with apparmor=1 security=apparmor, or leave the profile out.");
        RequireModule("selinux", "an SELinux context", Security.SELinuxContext is not null || Security.SELinuxMountContext is not null, "Boot with security=selinux selinux=1 and a policy, or leave the context out.");
        Security.Landlock?.Plan(_facts.LandlockAbi);
    }

    private void RequireModule(string module, string feature, bool needed, string remedy)
    {
        if (needed && !_facts.SecurityModules.Contains(module))
            throw new KernelFeatureException(feature, $"the active security modules are {(_facts.SecurityModules.IsEmpty ? "unknown" : string.Join(", ", _facts.SecurityModules))}", remedy);
    }

    // One that leaves room is set with the others, while there is the privilege to raise it.
    private bool IsLate(Rlimit limit) => _listener is not null && limit is { Resource: RlimitResource.Nofile, Soft: < 1024 };

    // While there are privileges.
    private void AddSchedulingSteps()
    {
        if (Security.Personality is { } personality)
            Add(Inside, Personalities.Step(personality));
        if (Security.Scheduling is { } scheduling)
            Add(Inside, scheduling.Step);
        if (Security.IoPriority is { } priority)
            Add(Inside, priority.Step);
        if (Security.CpuAffinity is { } affinity)
            Add(Inside, affinity.Step);
        if (Security.CoreScheduling)
            Add(Inside, ProcessHardening.CoreSchedulingStep);
    }

    // For the next execution: after the sealed image's, and for the program alone.
    private void AddLabelSteps()
    {
        if (Security.AppArmorProfile is { } profile)
            Add(Inside, LsmSteps.Exec(_mounts.Proc!, "apparmor", SecurityModules.AttributePath("apparmor", "exec"), AppArmor.ExecText(profile, stack: false), "set the AppArmor profile by"));
        if (Security.SELinuxContext is { } context)
            Add(Inside, LsmSteps.Exec(_mounts.Proc!, "selinux", SecurityModules.AttributePath("selinux", "exec"), context.ToString(), "set the SELinux context to"));
    }

    // The filter last: everything before may use calls that it refuses.
    private void AddFilterSteps()
    {
        if (Security.DenyWriteExecute)
            Add(Inside, ProcessHardening.DenyWriteExecuteStep);
        if (Security.Landlock is { } ruleset && ruleset.Plan(_facts.LandlockAbi) is { Enforced.IsEmpty: false } report)
            Add(Inside, LandlockSteps.Restrict(ruleset, report));
        if (WantedFilter is not { } filter)
            return;
        Add(Inside, SeccompSteps.Load(NotifiedFilter ?? filter, _listener?.Listener));
        if (_listener is null)
            return;
        Add(Inside, _listener.Send());
        Add(Inside, _spec.Rlimits.Where(IsLate).Select(ListenerSteps.Limit));
    }
}
