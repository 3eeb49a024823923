namespace Isolation.Containers;

public sealed partial class Container
{
    private readonly Lock _survivors = new();

    /// <summary>Kills what a first process that has no PID namespace of its own leaves behind:
    /// by the control group, else by the namespace that is held.</summary>
    private void KillOthers()
    {
        if (TryKillCgroup())
            return;
        // One at a time: what a time limit stops must not be looked for by the end at the same moment.
        lock (_survivors)
            _held?.KillAll();
    }

    /// <summary>Lets a first process that was killed while frozen come to its end.</summary>
    private void LetDie()
    {
        try
        {
            Cgroup?.LetDie();
        }
        catch (Exception e) when (e is Isolation.Linux.LinuxException or ObjectDisposedException)
        {
            // it is gone already
            ContainerDiagnostics.TellUnlessGone(Plan.Asked, LoggedName, "thaw its control group", e);
        }
    }

    private void ReleaseHeld()
    {
        lock (_survivors)
        {
            _held?.Dispose();
            _held = null;
        }
    }
}
