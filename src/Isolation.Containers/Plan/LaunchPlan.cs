using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Isolation.Cgroups;
using Isolation.Linux;
using Isolation.Linux.Launching;
using Isolation.Linux.Programs;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>What will happen in a launch: every step on both sides, in order. Immutable; printed as a numbered list; started any number of
/// times.</summary>
/// <example><code>
/// LaunchPlan plan = builder.Plan();
/// Console.WriteLine(plan.ToDetailedString()); // every step with its system calls
/// await using Container container = await plan.StartAsync();
/// </code></example>
public sealed class LaunchPlan
{
    private readonly Lazy<ImmutableArray<LaunchStep>> _steps;
    private readonly Lazy<LoweredPlan> _lowered;
    private readonly Lazy<Namespace> _idMap;
    private readonly Lazy<LoadedDeviceProgram?> _devices;

    internal LaunchPlan(ContainerStart asked, HostFacts facts, ResolvedUser user, ImmutableArray<PlanEntry> entries, LaunchSlots slots)
    {
        Asked = asked;
        Facts = facts;
        User = user;
        Entries = entries;
        Slots = slots;
        // Written out when somebody reads them: a start that succeeds needs no text.
        _steps = new Lazy<ImmutableArray<LaunchStep>>(() =>
        [
            .. entries.Select((e, i) => new LaunchStep(i + 1, e.Side is StepSide.Borrowed or StepSide.Sealed, e.Step.Action, e.Step.Subject,
                [.. e.Step.Calls.Select(c => c.ToString())])),
        ]);
        _lowered = new Lazy<LoweredPlan>(() => new LoweredPlan(this));
        // Kept as long as the plan: every idmapped mount of it shows owners by this namespace's maps.
        _devices = new Lazy<LoadedDeviceProgram?>(() => slots.Cgroup?.Devices?.Load("the container's cgroup"));
        _idMap = new Lazy<Namespace>(() => UserNamespaces.Create(Spec.Namespaces.UserIds!, Spec.Namespaces.GroupIds!));
    }

    /// <summary>The loaded device program, kept as long as the plan; null where there is none.</summary>
    internal LoadedDeviceProgram? DeviceProgram => _devices.Value;

    /// <summary>What was wanted.</summary>
    public ContainerSpec Spec => Asked.Spec;

    internal ContainerStart Asked { get; }

    /// <summary>The host that it was planned for.</summary>
    public HostFacts Facts { get; }

    /// <summary>The user that the program will run as.</summary>
    public ResolvedUser User { get; }

    /// <summary>Where the steps will run.</summary>
    public LaunchForm Form => Slots.Form;

    /// <summary>Every step, in order.</summary>
    public ImmutableArray<LaunchStep> Steps => _steps.Value;

    internal ImmutableArray<PlanEntry> Entries { get; }

    internal LaunchSlots Slots { get; }

    internal LoweredPlan Lowered => _lowered.Value;

    internal Namespace IdMap => _idMap.Value;

    /// <summary>Starts a container by this plan.</summary>
    /// <param name="cancellationToken">Cancels the start; a container that has started meanwhile is killed.</param>
    /// <exception cref="LaunchException">A step failed; nothing is left behind.</exception>
    /// <exception cref="LinuxException">The process that removes control groups, should this one be killed, could not be
    /// started.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled; nothing is left behind.</exception>
    public Task<Container> StartAsync(CancellationToken cancellationToken = default) =>
        StartAsync(brokenCall: -1, cancellationToken);

    /// <summary>Starts a container by this plan, and returns when its program has been executed.</summary>
    /// <remarks>On the main thread the launch is made there, without a change of threads: the fastest way. A container that is to die with
    /// its parent follows that thread, which lasts as long as the process.</remarks>
    /// <param name="cancellationToken">Cancels the start; a container that has started meanwhile is killed.</param>
    /// <exception cref="LaunchException">A step failed; nothing is left behind.</exception>
    /// <exception cref="LinuxException">The process that removes control groups, should this one be killed, could not be
    /// started.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled; nothing is left behind.</exception>
    public Container Start(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (!StartPreparation.IsNeeded(Asked))
            return Start(new Container(this, brokenCall: -1), cancellationToken);
        using StartPreparation prepared = StartPreparation.RunAsync(this, cancellationToken).GetAwaiter().GetResult();
        return Start(new Container(prepared.Plan, brokenCall: -1) { Pinned = prepared.Pinned }, cancellationToken);
    }

    /// <summary>The plan with every system call, for a bug report.</summary>
    public string ToDetailedString() => Print(calls: true);

    /// <summary>The plan as a numbered list.</summary>
    public override string ToString() => Print(calls: false);

    internal Task<Container> StartAsync(int brokenCall, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
            return Task.FromCanceled<Container>(cancellationToken);
        return StartPreparation.IsNeeded(Asked) ? PrepareAndStartAsync(brokenCall, cancellationToken)
            : StartAsync(new Container(this, brokenCall), cancellationToken);
    }

    private async Task<Container> PrepareAndStartAsync(int brokenCall, CancellationToken cancellationToken)
    {
        using StartPreparation prepared = await StartPreparation.RunAsync(this, cancellationToken).ConfigureAwait(false);
        return await StartAsync(new Container(prepared.Plan, brokenCall) { Pinned = prepared.Pinned }, cancellationToken)
            .ConfigureAwait(false);
    }

    private static Task<Container> StartAsync(Container process, CancellationToken cancellationToken)
    {
        Enter(process, LaunchQueue.Post, cancellationToken);
        return cancellationToken.CanBeCanceled ? process.StartedOrCancelled(cancellationToken) : process.Started;
    }

    private static Container Start(Container process, CancellationToken cancellationToken)
    {
        using CancellationTokenRegistration registration = process.CancelStartBy(cancellationToken);
        Enter(process, LaunchQueue.RunOrPost, cancellationToken);
        return process.StartedOrCancelled(cancellationToken).GetAwaiter().GetResult();
    }

    private static void Enter(Container process, Action<LaunchRequest> queue, CancellationToken cancellationToken)
    {
        process.StartCancelled = cancellationToken;
        process.BeginTelling();
        try
        {
            process.Request.Reserve();
            queue(process.Request);
        }
        catch (Exception e)
        {
            process.Request.Unreserve();
            process.TellRefused(e);
            throw;
        }
    }

    private string Print(bool calls)
    {
        var text = new StringBuilder();
        string form = Form switch
        {
            LaunchForm.Sealed => "from a sealed image",
            LaunchForm.Forked => "in a copy of the memory",
            _ => "in memory",
        };
        text.Append(CultureInfo.InvariantCulture, $"{Steps.Length} steps, {form}\n");
        foreach (LaunchStep step in Steps)
        {
            text.Append(step).Append('\n');
            foreach (string call in calls ? step.Calls : [])
                text.Append("             ").Append(call).Append('\n');
        }

        return text.ToString();
    }
}
