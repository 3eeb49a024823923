using System.Collections.Immutable;
using Isolation.Linux;
using Isolation.Security;
using Microsoft.Extensions.Logging;

namespace Isolation.Containers;

/// <summary>A spec and what one process has ready for a container of it: streams, open handles, a handler, a pool. None of it can be
/// written down, so none of it is in <see cref="ContainerSpec"/>.</summary>
public sealed record ContainerStart
{
    /// <summary>What is wanted of the container.</summary>
    public required ContainerSpec Spec { get; init; }

    /// <summary>Standard input; /dev/null by default.</summary>
    public Stdio StandardInput { get; init; } = Stdio.Null;

    /// <summary>Standard output; by default that of this process.</summary>
    public Stdio StandardOutput { get; init; } = Stdio.Inherit;

    /// <summary>Standard error; by default that of this process.</summary>
    public Stdio StandardError { get; init; } = Stdio.Inherit;

    /// <summary>Further descriptors that the program gets; every other one is closed.</summary>
    public ImmutableArray<PassedDescriptor> Descriptors { get; init; } = [];

    /// <summary>Namespaces that the container enters.</summary>
    public ImmutableArray<JoinedNamespace> Joined { get; init; } = [];

    /// <summary>Files that only the program's user can read, each at <c>/run/secrets/NAME</c>.</summary>
    public ImmutableArray<Secret> Secrets { get; init; } = [];

    /// <summary>Answers the calls for which the filter has <see cref="SeccompAction.UserNotify"/>; null refuses them.</summary>
    public SeccompHandler? SeccompHandler { get; init; }

    /// <summary>Network namespaces made in advance, of which the container gets one; null makes one for it.</summary>
    public NetworkNamespacePool? NetworkPool { get; init; }

    /// <summary>The logger of what happens to the container; null for <see cref="ContainerDiagnostics.LoggerFactory"/>.</summary>
    public ILogger? Logger { get; init; }

    /// <summary>Whether each step of the launch is timed.</summary>
    public bool TimeSteps { get; init; }

    /// <summary>Whether an output that does not pass through this process is left out of <see cref="ContainerSpec.OutputMax"/>, and no
    /// fault.</summary>
    internal bool CountsSomeOutput { get; init; }

    /// <summary>Makes the plan of a launch on a host: what will happen, on both sides, in order. Pure but for the numbers of mounted
    /// devices, which are asked of the facts; starts nothing.</summary>
    /// <param name="facts">What is known of the host; <see cref="HostFacts.Current"/> for this one.</param>
    /// <param name="user">The user and groups that names resolve to; needed where <see cref="ContainerSpec.User"/> or
    /// <see cref="ContainerSpec.AdditionalGroups"/> has names.</param>
    /// <exception cref="SpecException">The spec has faults, all of which are listed. Or that host cannot provide it.</exception>
    /// <exception cref="KernelFeatureException">This host lacks what the spec needs.</exception>
    public LaunchPlan Plan(HostFacts facts, ResolvedUser? user = null)
    {
        ArgumentNullException.ThrowIfNull(facts);
        Validate();
        return PlanValid(facts, user ?? UserFiles.ResolveNumbers(Spec), ImmutableDictionary<string, string>.Empty);
    }

    /// <summary>Checks everything that needs no host.</summary>
    /// <exception cref="SpecException">The spec has faults: all of them at once.</exception>
    internal void Validate()
    {
        IReadOnlyList<SpecFault> faults = SpecValidator.Check(this);
        if (faults.Count > 0)
            throw new SpecException(faults);
    }

    /// <summary>Plans what was validated.</summary>
    /// <param name="facts">What is known of the host.</param>
    /// <param name="user">The user and groups that names resolve to.</param>
    /// <param name="danglingLinks">Where paths of the root lead that go through a link to something missing.</param>
    internal LaunchPlan PlanValid(HostFacts facts, ResolvedUser user, ImmutableDictionary<string, string> danglingLinks) =>
        new LaunchPlanner(this, facts, user, danglingLinks).Plan();

    /// <summary>The spec, without environment values, and what each stream is.</summary>
    public override string ToString() => Spec.ToString();
}
