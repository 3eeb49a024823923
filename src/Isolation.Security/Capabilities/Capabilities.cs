using System.Globalization;
using Isolation.Linux.Programs;

namespace Isolation.Security;

/// <summary>The capabilities of running threads. See capabilities(7).</summary>
public static class Capabilities
{
    /// <summary>Reads the five sets of the calling thread from /proc/thread-self/status.</summary>
    public static CapabilityState Read() => CapabilityState.Parse(File.ReadAllText("/proc/thread-self/status"));

    /// <summary>Reads the five sets of a process's main thread from /proc/PID/status.</summary>
    /// <param name="processId">The process id as seen by the caller.</param>
    /// <exception cref="IOException">There is no such process.</exception>
    public static CapabilityState Read(int processId) =>
        CapabilityState.Parse(File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/status")));

    /// <summary>Drops capabilities from all five sets of the calling thread, for good.</summary>
    /// <remarks>Calls prctl(2) <c>PR_CAPBSET_DROP</c> and capset(2). Scope: the calling thread and what it starts; the other
    /// threads of the process keep theirs. Run it on a thread of your own, not on one of the pool.</remarks>
    /// <param name="capabilities">What to drop.</param>
    /// <exception cref="Linux.LinuxException"><c>EPERM</c>: the thread lacks <c>CAP_SETPCAP</c>, which the bounding set needs.</exception>
    public static void Drop(params ReadOnlySpan<Capability> capabilities) => Drop(CapabilitySet.Of(capabilities));

    /// <inheritdoc cref="Drop(ReadOnlySpan{Capability})"/>
    public static void Drop(CapabilitySet capabilities)
    {
        CapabilityState now = Read();
        PlanStep? bounding = CapabilitySteps.LimitBounding(now.Bounding.Except(capabilities), now.Bounding);
        // Lowering permitted or inheritable lowers the ambient set with it.
        PlanStep set = CapabilitySteps.Set(now.Permitted.Except(capabilities), now.Effective.Except(capabilities), now.Inheritable.Except(capabilities));
        if (bounding is null)
            ManagedInterpreter.Run(set);
        else
            ManagedInterpreter.Run(bounding, set);
    }
}
