using System.Collections.Concurrent;

namespace Isolation.Benchmarks.Launch;

/// <summary>Runs the benchmark beside the main thread, and pieces of it on the main thread.</summary>
internal static class MainThread
{
    private static readonly BlockingCollection<Action> s_work = [];

    internal static void Serve(Func<Task> benchmark)
    {
        Task running = Task.Run(benchmark);
        running.ContinueWith(_ => s_work.CompleteAdding(), TaskScheduler.Default);
        foreach (Action work in s_work.GetConsumingEnumerable())
            work();
        running.GetAwaiter().GetResult();
    }

    /// <summary>Runs a function there and waits for it; its own stopwatch sees nothing of the way there.</summary>
    internal static T Run<T>(Func<T> function)
    {
        var result = new TaskCompletionSource<T>();
        s_work.Add(() =>
        {
            try
            {
                result.SetResult(function());
            }
            catch (Exception e)
            {
                result.SetException(e);
            }
        });
        return result.Task.GetAwaiter().GetResult();
    }
}
