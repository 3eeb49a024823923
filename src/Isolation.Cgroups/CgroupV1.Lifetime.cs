using Isolation.Linux;

namespace Isolation.Cgroups;

public sealed partial class CgroupV1
{
    /// <inheritdoc/>
    public override bool IsFrozen => TryDirectory("freezer")?.Read("freezer.state").Trim() == "FROZEN"
        || (_unified is { Main.IsRoot: false } && _unified.IsFrozen);

    /// <inheritdoc/>
    public override async Task WaitUntilEmptyAsync(CancellationToken cancellationToken = default)
    {
        if (_unified is { Main.IsRoot: false })
            await _unified.WaitUntilEmptyAsync(cancellationToken).ConfigureAwait(false);
        // Each hierarchy lets go of a process by itself.
        for (int delay = 1; Directories.Any(d => ReadProcesses(d, recursive: true).Any()); delay = Math.Min(delay * 2, 20))
            await Task.Delay(delay, cancellationToken).ConfigureAwait(false);
    }

    internal override void LetDie()
    {
        if (TryDirectory("freezer") is { IsRoot: false } freezer)
            Thaw(freezer);
    }

    private protected override void Resume() => LetDie();

    private protected override bool TryStop(TimeSpan timeout) => TryDirectory("freezer") is { IsRoot: false } freezer
        && !freezer.TryWrite("freezer.state", "FROZEN", out _).IsError && HoldsWithin(() => IsInState(freezer, "FROZEN"), timeout);

    // Each level has a request of its own, and is thawed when it and those above are.
    private static void Thaw(CgroupDirectory directory)
    {
        directory.TryWrite("freezer.state", "THAWED", out _);
        foreach (CgroupDirectory child in directory.Children())
        {
            using (child)
                Thaw(child);
        }
    }

    // Reading the state is what moves it from FREEZING on; a process that forked meanwhile is caught by writing again.
    private static bool IsInState(CgroupDirectory freezer, string state)
    {
        if (freezer.Read("freezer.state").Trim() == state)
            return true;
        freezer.TryWrite("freezer.state", state, out _);
        return false;
    }

    private protected override void SetFrozen(bool frozen, TimeSpan timeout)
    {
        if (TryDirectory("freezer") is not { IsRoot: false } freezer)
        {
            if (_unified is null)
                throw new KernelFeatureException("freezing a control group", "the controller freezer is not mounted",
                    "Mount its hierarchy.");
            if (frozen)
                _unified.Freeze(timeout);
            else
                _unified.Thaw();
            return;
        }

        freezer.Write(new CgroupSetting("freezer.state", frozen ? "FROZEN" : "THAWED"));
        WaitUntil(() => IsInState(freezer, frozen ? "FROZEN" : "THAWED"), timeout, $"Not every process of {this} has stopped");
    }

    private protected override bool IsComplete(CgroupDirectory unified)
    {
        var members = ReadProcesses(unified, recursive: true).ToHashSet();
        return _directories.Values.Distinct().All(d => ReadProcesses(d, recursive: true).All(members.Contains));
    }
}
