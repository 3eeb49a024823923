using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Isolation.Kernel.Tests;

/// <summary>Before anything else, the run gets places of its own: a control group, and a directory for the state of networks.</summary>
internal static class OwnPlaces
{
    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "The facts of the host are read by what looks for tests, before any fixture.")]
    internal static void Take()
    {
        RunGroup.Enter();
        string networks = Path.Combine(Path.GetTempPath(), $"isolation-test-networks-{Guid.NewGuid():n}");
        Environment.SetEnvironmentVariable("ISOLATION_NETWORKS", networks);
        AppDomain.CurrentDomain.ProcessExit += (_, _) =>
        {
            if (Directory.Exists(networks))
                Directory.Delete(networks, recursive: true);
        };
    }
}
