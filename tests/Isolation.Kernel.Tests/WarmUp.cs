using Isolation.Containers;
using Isolation.Linux;

[assembly: AssemblyFixture(typeof(Isolation.Kernel.Tests.WarmUp))]

namespace Isolation.Kernel.Tests;

/// <summary>Before the first test, every launcher thread makes a launch:
/// what each of them keeps open for good is then there before anything is counted.</summary>
public sealed class WarmUp : IAsyncLifetime
{
    public async ValueTask InitializeAsync()
    {
        LaunchPlan plan = Box.Builder("/bin/true").WithLaunchForm(LaunchForm.Sealed).Plan();
        foreach (Container process in await Task.WhenAll(Enumerable.Range(0, 32).Select(_ => plan.StartAsync())))
            await process.DisposeAsync();
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
