using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Containers;

internal sealed partial class LaunchPlanner
{
    // The calls by which a program leaves its mount namespace, with the flags that make them do so.
    private static readonly (string Call, ulong[] Arguments)[] s_leaving =
    [
        ("unshare", [Sched.CLONE_NEWNS]), ("unshare", [Sched.CLONE_NEWUSER | Sched.CLONE_NEWNS]),
        ("setns", [3, 0]), ("setns", [3, Sched.CLONE_NEWNS]), ("setns", [3, Sched.CLONE_NEWUSER | Sched.CLONE_NEWNS]),
        ("clone", [Sched.CLONE_NEWNS | Sched.SIGCHLD]),
        ("clone", [Sched.CLONE_NEWUSER | Sched.CLONE_NEWNS | Sched.SIGCHLD]), ("clone3", [1, 88]),
    ];

    private readonly HoldSteps? _hold;

    /// <summary>How the processes of a container without a PID namespace and a control group of its own are told from all others;
    /// null where it has one of those.</summary>
    /// <exception cref="KernelFeatureException">Nothing would tell them for certain:
    /// neither could all be killed, nor nobody else.</exception>
    private HoldSteps? ChooseHold()
    {
        if (Owns(NamespaceKinds.Pid) || _cgroup is not null)
            return null;
        if (_userNamespace.IsNew)
            return new HoldSteps(NamespaceKinds.User);
        if (!CanLeaveMountNamespace)
            return new HoldSteps(NamespaceKinds.Mount);
        string cgroup = _facts.Cgroups.Obstacle is { } obstacle ? $"it has no control group ({obstacle})" : "it has no control group";
        throw new KernelFeatureException("a container in the PID namespace of others",
            $"its processes could not be told from theirs for certain: {cgroup}, no user namespace of its own, and its program "
                + "may leave its mount namespace",
            "Give it a PID namespace, a control group or a user namespace of its own, or take CAP_SYS_ADMIN from it and leave "
                + "it the default seccomp filter."
            + (_facts.Cgroups is { Obstacle: not null, Remedy: { } remedy } ? " " + remedy : ""));
    }

    private IEnumerable<PlanStep> OpenHold() => _hold is null ? [] : [_hold.OpenSocket()];

    /// <summary>A process that another one makes as its sibling is made late, and its mount namespace with it.</summary>
    private IEnumerable<PlanStep> HandOver(bool late) => _hold is { } hold && late == _siblings is not null ? [hold.Send()] : [];

    private bool CanLeaveMountNamespace => _spec.Capabilities.Bounding.Contains(Capability.SysAdmin) || WantedFilter is not { } filter
        || filter.ForeignArchitectures.MayRun || filter.Architectures.Any(a => s_leaving.Any(l => MayCall(filter, a, l.Call, l.Arguments)));

    private static bool MayCall(SeccompFilter filter, SeccompArchitecture architecture, string call, ulong[] arguments) =>
        new SeccompRule(call, default, []).Number(architecture) is { } number
            && filter.Explain(SeccompCall.Of(architecture, number, arguments)).Action.MayRun;
}
