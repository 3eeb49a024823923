using Isolation.Linux;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Containers;

public sealed partial class ContainerBuilder
{
    /// <summary>Sets the seccomp filter, in the place of the default one. It must allow execve(2).</summary>
    public ContainerBuilder WithSeccomp(SeccompFilter filter) =>
        WithSecurity(s => s with { Seccomp = filter ?? throw new ArgumentNullException(nameof(filter)), SeccompUnconfined = false });

    /// <summary>Sets the seccomp filter, and who answers the calls for which it has <see cref="SeccompAction.UserNotify"/>.
    /// It must allow execve(2), or have it answered.</summary>
    public ContainerBuilder WithSeccomp(SeccompFilter filter, SeccompHandler handler) =>
        new(WithSeccomp(filter)._start with { SeccompHandler = handler ?? throw new ArgumentNullException(nameof(handler)) });

    /// <summary>Loads no seccomp filter.</summary>
    public ContainerBuilder WithSeccompUnconfined() =>
        new(WithSecurity(s => s with { Seccomp = null, SeccompUnconfined = true })._start with { SeccompHandler = null });

    /// <summary>Has the result tell which calls the filter refused, with their arguments: <see cref="ContainerResult.Denials"/>.</summary>
    public ContainerBuilder WithDenialReport(bool report = true) => WithSecurity(s => s with { ReportDenials = report });

    /// <summary>Restricts the program by Landlock; null for no ruleset. Paths are as the container sees them.</summary>
    public ContainerBuilder WithLandlock(LandlockRuleset? ruleset) => WithSecurity(s => s with { Landlock = ruleset });

    /// <summary>Sets the AppArmor profile, which must be loaded.</summary>
    public ContainerBuilder WithAppArmorProfile(string? profile) => WithSecurity(s => s with { AppArmorProfile = profile });

    /// <summary>Sets the SELinux contexts of the program and of the file systems that are made for it.</summary>
    public ContainerBuilder WithSELinux(SELinuxContext? process, SELinuxContext? mounts = null) =>
        WithSecurity(s => s with { SELinuxContext = process, SELinuxMountContext = mounts });

    /// <summary>Changes the security settings.</summary>
    public ContainerBuilder WithSecurity(Func<SecuritySettings, SecuritySettings> change)
    {
        ArgumentNullException.ThrowIfNull(change);
        return Changed(_spec with { Security = change(_spec.Security) });
    }

    /// <summary>Sets the scheduling.</summary>
    public ContainerBuilder WithScheduling(Scheduling? scheduling) => WithSecurity(s => s with { Scheduling = scheduling });

    /// <summary>Gives the program every capability that this process has, and takes every restriction away that is not a namespace: filter,
    /// masked and read-only paths, no_new_privs, device rules. /sys and its control group are writable, and all devices of the host are in
    /// its /dev, as docker's --privileged has it.</summary>
    /// <remarks>A program that is root in such a container, without a user namespace, is root of the host.</remarks>
    public ContainerBuilder WithPrivileged()
    {
        HostFacts facts = HostFacts.Current;
        CapabilitySet all = facts.IsPrivileged ? facts.Capabilities.Intersect(facts.Bounding) : facts.KnownCapabilities;
        ContainerBuilder privileged = WithSeccompUnconfined().WithCapabilities(all).AllowNewPrivileges()
            .WithMaskedPaths().WithReadOnlyPaths();
        MountFlags Writable(MountFlags flags) => flags & ~MountFlags.ReadOnly;
        privileged = privileged.WithMounts(_spec.Mounts.Select(m => m switch
        {
            SysfsMount sysfs => sysfs with { Flags = Writable(sysfs.Flags) },
            Cgroup2Mount cgroup => cgroup with { Flags = Writable(cgroup.Flags) },
            _ => m,
        }).Concat(_spec.Mounts.OfType<DevMount>().Take(1).SelectMany(d => HostDevices.Find(d.Destination))));
        // Where it can have no control group, no device is forbidden by one.
        return facts.IsPrivileged && facts.Cgroups is { Obstacle: null }
            ? privileged.WithDeviceRules(Cgroups.DeviceRule.Parse("a *:* rwm")) : privileged;
    }

    /// <summary>Runs the program to its end with every system call recorded, and gives the smallest profile
    /// that lets it do the same again.</summary>
    /// <remarks>Other than by the filter it is restricted as ever; each call costs a change of processes.
    /// The filter and its handler are replaced.</remarks>
    /// <param name="cancellationToken">Kills everything in the container.</param>
    /// <exception cref="LaunchException">A step of the launch failed; nothing is left behind.</exception>
    public async Task<LearnedRun> LearnAsync(CancellationToken cancellationToken = default)
    {
        var recorder = new SeccompRecorder();
        ContainerResult result = await WithSeccomp(SeccompRecorder.Filter, recorder.Handle).WithDenialReport(false)
            .RunAsync(cancellationToken).ConfigureAwait(false);
        return new LearnedRun(result, recorder.Result());
    }
}
