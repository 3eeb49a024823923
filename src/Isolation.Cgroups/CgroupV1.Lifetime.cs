using Isolation.Linux;

namespace Isolation.Cgroups;

public sealed partial class CgroupV1
{
    /// <inheritdoc/>
    public override bool IsFrozen => TryDirectory("freezer")?.Read("freezer.state").Trim() == "FROZEN" || (_unified is { Main.IsRoot: false } && _unified.IsFrozen);

    /// <inheritdoc/>
    public override async Task WaitUntilEmptyAsync(CancellationToken cancellationToken = default)
    {
        if (_unified is { Main.IsRoot: false })
            await _unified.WaitUntilEmptyAsync(cancellationToken).ConfigureAwait(false);
        // Each hierarchy lets go of a process by itself.
        for (int delay = 1; Directories.Any(d => ReadProcesses(d, recursive: true).Any()); delay = Math.Min(delay * 2, 20))
            await Task.Delay(delay, cancellationToken).ConfigureAwait(false);
    }

    private protected override bool TryRequestFreeze() => TryDirectory("freezer") is { IsRoot: false } freezer && !freezer.TryWrite("freezer.state", "FROZEN", out _).IsError;

    private protected override void SetFrozen(bool frozen, TimeSpan timeout)
    {
        if (TryDirectory("freezer") is not { IsRoot: false } freezer)
        {
            if (_unified is null)
                throw new KernelFeatureException("freezing a control group", "the controller freezer is not mounted", "Mount its hierarchy.");
            if (frozen)
                _unified.Freeze(timeout);
            else
                _unified.Thaw();
            return;
        }

        freezer.Write(new CgroupSetting("freezer.state", frozen ? "FROZEN" : "THAWED"));
        // Reading the state is what moves it from FREEZING on; a process that forked meanwhile is caught by writing again.
        WaitUntil(() =>
        {
            if (freezer.Read("freezer.state").Trim() == (frozen ? "FROZEN" : "THAWED"))
                return true;
            freezer.TryWrite("freezer.state", frozen ? "FROZEN" : "THAWED", out _);
            return false;
        }, timeout, $"Not every process of {this} has stopped");
    }

    private protected override bool IsComplete(CgroupDirectory unified)
    {
        var members = ReadProcesses(unified, recursive: true).ToHashSet();
        return _directories.Values.Distinct().All(d => ReadProcesses(d, recursive: true).All(members.Contains));
    }
}
