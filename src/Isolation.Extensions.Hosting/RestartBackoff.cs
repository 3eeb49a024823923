namespace Isolation.Extensions.Hosting;

/// <summary>Decides whether a container that has ended is started again, and after how long. Pure but for the count that it
/// keeps.</summary>
internal sealed class RestartBackoff(ContainerServiceOptions options)
{
    /// <summary>Restarts in a row, without a healthy time between them.</summary>
    internal int InRow { get; private set; }

    /// <summary>The delay before the next start; null where there is to be none.</summary>
    /// <param name="succeeded">Whether the container exited with code 0.</param>
    /// <param name="ran">How long it ran; zero where it did not start.</param>
    internal TimeSpan? After(bool succeeded, TimeSpan ran)
    {
        if (ran >= options.HealthyAfter && ran > TimeSpan.Zero)
            InRow = 0;
        bool wanted = options.Restart == RestartPolicy.Always || (options.Restart == RestartPolicy.OnFailure && !succeeded);
        if (!wanted || InRow >= options.MaximumRestarts)
            return null;
        // 2^30 times the shortest delay that can be set is more than a day, which is the longest.
        double delay = options.MinimumDelay.TotalMilliseconds * Math.Pow(2, Math.Min(InRow, 62));
        InRow++;
        return delay >= options.MaximumDelay.TotalMilliseconds ? options.MaximumDelay : TimeSpan.FromMilliseconds(delay);
    }
}
