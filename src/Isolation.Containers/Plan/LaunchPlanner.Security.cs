using Isolation.Linux;
using Isolation.Linux.Programs;
using Isolation.Security;

namespace Isolation.Containers;

internal sealed partial class LaunchPlanner
{
    private SecuritySettings Security => _spec.Security;

    /// <summary>The filter that was asked for; null for none.</summary>
    private SeccompFilter? WantedFilter => Security.SeccompUnconfined ? null : field ??= Security.Seccomp
        ?? SeccompFilter.DefaultFor(_spec.Capabilities.Bounding).WithArchitectures(HostArchitecture);

    private SeccompArchitecture HostArchitecture =>
        _facts.Architecture == System.Runtime.InteropServices.Architecture.Arm64 ? SeccompArchitecture.Arm64 : SeccompArchitecture.X64;

    /// <summary>The filter whose calls this process answers; null if it answers none.</summary>
    private SeccompFilter? NotifiedFilter => field ??= WantedFilter is not { } filter ? null
        : Security.ReportDenials ? ListenerSteps.LetPass(filter.WithDenialsNotified(ReportFlags(filter)))
        : filter.Notifies || _start.SeccompHandler is not null ? ListenerSteps.LetPass(filter) : null;

    /// <summary>A refusal is answered at once, and no signal is to come between: as little as the kernel lets come. How the calls of a
    /// handler wait is the filter's to say.</summary>
    private SeccompFlags ReportFlags(SeccompFilter filter) =>
        filter.Notifies ? SeccompFlags.None : SeccompSteps.KillableWait(_facts.Kernel);

    /// <summary>Without no_new_privs a filter can be loaded only with CAP_SYS_ADMIN: before the change of credentials takes it,
    /// whose calls the filter must then allow.</summary>
    private bool FiltersBeforeCredentials => !_spec.NoNewPrivileges && !_spec.Capabilities.Effective.Contains(Capability.SysAdmin);

    private void RequirePossibleSecurity()
    {
        if (WantedFilter is { } filter)
        {
            // Every call of the set-up is this machine's: none would be made any more, and nobody would learn of it.
            if (!filter.Architectures.Contains(HostArchitecture))
            {
                throw new SpecException(new SpecFault("linux.seccomp.architectures", $"must have {HostArchitecture}, this machine's own",
                    string.Join(", ", filter.Architectures)));
            }

            SeccompVerdict execve = filter.Explain(SeccompCall.Of(HostArchitecture,
                SyscallTable.For(HostArchitecture).Number("execve")!.Value));
            if (!execve.Action.MayRun)
                throw new SpecException(new SpecFault("linux.seccomp",
                    "must allow execve, by which the program is started", execve.ToString()));
        }

        RequireModule("apparmor", "an AppArmor profile", Security.AppArmorProfile is not null,
            "Boot with apparmor=1 security=apparmor, or leave the profile out.");
        RequireModule("selinux", "an SELinux context", Security.SELinuxContext is not null || Security.SELinuxMountContext is not null,
            "Boot with security=selinux selinux=1 and a policy, or leave the context out.");
        Security.Landlock?.Plan(_facts.LandlockAbi);
    }

    private void RequireModule(string module, string feature, bool needed, string remedy)
    {
        if (needed && !_facts.SecurityModules.Contains(module))
            throw new KernelFeatureException(feature,
                $"the active security modules are "
                    + $"{(_facts.SecurityModules.IsEmpty ? "unknown" : string.Join(", ", _facts.SecurityModules))}", remedy);
    }

    // One that leaves room is set with the others, while there is the privilege to raise it.
    private bool IsLate(Rlimit limit) => _listener is not null && limit is { Resource: RlimitResource.Nofile, Soft: < 1024 };

    /// <summary>The limits that are asked for, and no core dump unless one is:
    /// what crashes inside must not have the host's core_pattern handle it.</summary>
    /// <remarks>A limit of 0 stops a core file, but a pattern that is a pipe is run all the same; 1 stops both: core(5),
    /// <c>coredump_pipe</c> in the kernel's fs/coredump.c. EPERM: this process's hard limit is 0 already.</remarks>
    private IEnumerable<PlanStep> LimitSteps()
    {
        if (_spec.Rlimits.All(r => r.Resource != RlimitResource.Core))
        {
            PlanStep none = new Rlimit(RlimitResource.Core, 1, 1).Step;
            yield return none with { Calls = [.. none.Calls.Select(c => c with { Tolerated = [Errno.EPERM] })] };
        }

        foreach (Rlimit limit in _spec.Rlimits.Where(r => !IsLate(r)))
            yield return limit.Step;
    }

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
            Add(Inside, LsmSteps.Exec(_mounts.Proc!, "apparmor", SecurityModules.AttributePath("apparmor", "exec"),
                AppArmor.ExecText(profile, stack: false), "set the AppArmor profile by"));
        if (Security.SELinuxContext is { } context)
            Add(Inside, LsmSteps.Exec(_mounts.Proc!, "selinux", SecurityModules.AttributePath("selinux", "exec"), context.ToString(),
                "set the SELinux context to"));
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
