using System.Collections.Immutable;
using Isolation.Cgroups;
using Isolation.Linux;
using Isolation.Linux.Programs;
using Isolation.Namespaces;

namespace Isolation.Containers;

internal sealed partial class LaunchPlanner
{
    /// <summary>The cgroup namespace's root is the control group that its maker is in:
    /// it is made after that was entered, and not by the clone.</summary>
    private NamespaceKinds LateNamespaces => _cgroup is not null && Owns(NamespaceKinds.Cgroup)
        ? NamespaceKinds.Cgroup
        : NamespaceKinds.None;

    /// <summary>The container's control group; null where it has none.</summary>
    private CgroupLaunch? ChooseCgroup()
    {
        bool required = _spec.Cgroup == CgroupUse.Own || _spec.Resources.Count > 0 || _spec.DeviceRules is not null || _spec.DelegatesCgroup
            || _spec.Name is not null || _spec.CpuTimeMax is not null;
        if (_spec.Cgroup == CgroupUse.SharedWithParent
            || (_facts.Cgroups is { Obstacle: not null } or { Mode: CgroupMode.None } && !required))
            return null;
        // This process moves to a scope for what asks for a control group, and not for every container.
        if (_facts.Cgroups.Scope is not null && !required)
            return null;
        if (_facts.Cgroups.Obstacle is { } obstacle)
            throw new KernelFeatureException("a control group of the container's own", obstacle, _facts.Cgroups.Remedy);
        if (_spec.CpuTimeMax is not null && _facts.Cgroups.Mode != CgroupMode.Unified && !HasController("cpuacct"))
            throw new KernelFeatureException("a limit of CPU time", "the version 1 controller cpuacct is not mounted",
                "Mount it: mount -t cgroup -o cpu,cpuacct cgroup /sys/fs/cgroup/cpu,cpuacct.");
        CgroupSettings settings = _spec.Resources;
        if (settings["pids.max"] is null && HasController("pids"))
            settings = settings.WithPidsMax(ContainerDefaults.PidsMax);
        return new CgroupLaunch(_facts.Cgroups, _spec.Name, settings, ChooseDeviceRules(), ChooseCgroupOwner(), _facts.HasClone3);
    }

    // The container's own /dev is made by its own steps; a node alone is of no use.
    private static readonly ImmutableArray<DeviceRule> s_nodes = [.. DeviceRule.DockerDefault.Where(r => r.Access == DeviceAccess.Mknod)];

    private bool CanHaveDeviceRules => _facts.Cgroups.Hierarchies.V2 is not null || _facts.Cgroups.Hierarchies.V1.ContainsKey("devices");

    private bool HasController(string name) => _facts.Cgroups.Controllers.Contains(name) || _facts.Cgroups.Hierarchies.V1.ContainsKey(name);

    /// <summary>A device that is mounted is meant to be used; one that is missing is told by the launch, with its step.</summary>
    private IEnumerable<DeviceRule> MountedDevices =>
        _spec.Mounts.OfType<DeviceMount>().Select(d => _facts.FindDevice(d.Source)).OfType<DeviceRule>();

    private ImmutableArray<DeviceRule>? ChooseDeviceRules()
    {
        if (_facts.IsPrivileged)
            return _spec.DeviceRules is null && !CanHaveDeviceRules ? null
                : _spec.DeviceRules is { } rules ? [.. s_nodes, .. rules]
                : [.. DeviceRule.DockerDefault, .. MountedDevices];
        if (_spec.DeviceRules is not null)
        {
            throw new KernelFeatureException("device rules", "this process lacks CAP_SYS_ADMIN in the initial user namespace",
                "Leave them out: in a user namespace nodes cannot be made, and only the host's devices that its user may open can be.");
        }

        return null;
    }

    private (uint User, uint Group)? ChooseCgroupOwner()
    {
        if (!_spec.DelegatesCgroup)
            return null;
        if (_facts.Cgroups.Hierarchies.V2 is null)
            throw new KernelFeatureException("a delegated control group", "version 2 is not mounted",
                "Version 1 cannot be delegated safely; use a host with version 2.");
        return (_userNamespace.Users?.ToOutside(0) ?? 0, _userNamespace.Groups?.ToOutside(0) ?? 0);
    }

    private void AddCgroup(CgroupLaunch cgroup)
    {
        Add(StepSide.Parent, cgroup.Create());
        if (cgroup.Devices is { } devices)
            Add(StepSide.Parent, DeviceStep(devices));
    }

    /// <summary>Made up of no calls of its own: the program is loaded once for a plan, and attached by the parent
    /// between its steps and the clone.</summary>
    internal static PlanStep DeviceStep(DeviceProgram devices) =>
        new(RestrictDevices, $"the container's cgroup to {devices.Rules.Length} rules", []);

    internal const string RestrictDevices = "restrict the devices of";

    /// <summary>A control group can be shown only where version 2 is mounted, and no one but its own unless that is asked for.</summary>
    private bool IsThere(Mount mount) => mount is not Cgroup2Mount || _facts.Cgroups.Hierarchies.V2 is not null;
}
