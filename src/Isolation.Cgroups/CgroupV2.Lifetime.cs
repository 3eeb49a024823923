using Isolation.Linux;

namespace Isolation.Cgroups;

public sealed partial class CgroupV2
{
    /// <inheritdoc/>
    public override bool IsFrozen => EventFile.Flag(_directory.Read("cgroup.events"), "frozen");

    /// <summary>Whether a process is in it or below it: <c>populated</c> of <c>cgroup.events</c>.</summary>
    public bool IsPopulated => EventFile.Flag(_directory.Read("cgroup.events"), "populated");

    /// <inheritdoc/>
    public override async Task WaitUntilEmptyAsync(CancellationToken cancellationToken = default)
    {
        using var file = EventFile.Open(_directory, "cgroup.events");
        // Read before each wait: a change between the two is seen by the wait at once.
        while (EventFile.Flag(file.Read(), "populated"))
            await file.WaitForChangeAsync(cancellationToken).ConfigureAwait(false);
    }

    // Version 2's freezer lets the killed go.
    internal override void LetDie()
    {
    }

    private protected override void Resume() => _directory.TryWrite("cgroup.freeze", "0", out _);

    private protected override bool TryStop(TimeSpan timeout) =>
        _directory.Has("cgroup.freeze") && !_directory.TryWrite("cgroup.freeze", "1", out _).IsError
            && HoldsWithin(() => IsFrozen, timeout);

    private protected override void SetFrozen(bool frozen, TimeSpan timeout)
    {
        if (!_directory.Has("cgroup.freeze"))
            throw new KernelFeatureException("freezing a control group", "it has no cgroup.freeze",
                "The root control group cannot be frozen; others can since Linux 5.2.", new KernelVersion(5, 2));
        _directory.Write(new CgroupSetting("cgroup.freeze", frozen ? "1" : "0"));
        if (frozen)
            WaitUntil(() => IsFrozen, timeout, $"Not every process of {this} has stopped");
    }
}
