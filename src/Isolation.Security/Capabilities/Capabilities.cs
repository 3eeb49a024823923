using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>The capabilities of running threads. See capabilities(7).</summary>
/// <example><code>
/// using var thread = new LinuxThread("restricted");
/// thread.Invoke(() =&gt; Capabilities.Keep(CapabilitySet.Of(Capability.NetBindService)));
/// </code></example>
public static class Capabilities
{
    /// <summary>Reads the five sets of the calling thread from /proc/thread-self/status.</summary>
    public static CapabilityState Read() => CapabilityState.Parse(TextFile.Read("/proc/thread-self/status"));

    /// <summary>Reads the five sets of a process's main thread from /proc/PID/status.</summary>
    /// <param name="processId">The process id as seen by the caller.</param>
    /// <exception cref="LinuxException"><c>ESRCH</c>: there is no such process.</exception>
    public static CapabilityState Read(int processId) =>
        CapabilityState.Parse(ReadStatus(processId));

    internal static string ReadStatus(int processId)
    {
        string id = processId.ToString(CultureInfo.InvariantCulture);
        return TextFile.ReadIfThere($"/proc/{id}/status") ?? throw new LinuxException("look at process", id, "openat(2)", Errno.ESRCH);
    }

    /// <summary>Drops capabilities from all five sets of the calling thread, for good.</summary>
    /// <remarks>Calls prctl(2) <c>PR_CAPBSET_DROP</c> and capset(2). Scope: the calling thread and what it starts; the other
    /// threads of the process keep theirs. Run it on a thread of your own, not on one of the pool.</remarks>
    /// <param name="capabilities">What to drop.</param>
    /// <exception cref="LinuxException"><c>EPERM</c>: the thread lacks <c>CAP_SETPCAP</c>, which the bounding set needs.</exception>
    public static void Drop(params ReadOnlySpan<Capability> capabilities) => Drop(CapabilitySet.Of(capabilities));

    /// <inheritdoc cref="Drop(ReadOnlySpan{Capability})"/>
    public static void Drop(CapabilitySet capabilities)
    {
        CapabilityState now = Read();
        Lower(now, now.Bounding.Except(capabilities), now.Permitted.Except(capabilities), now.Effective.Except(capabilities),
            now.Inheritable.Except(capabilities));
    }

    /// <summary>Drops every capability but these from all five sets of the calling thread, for good.</summary>
    /// <inheritdoc cref="Drop(ReadOnlySpan{Capability})" path="/remarks|/exception"/>
    /// <param name="capabilities">What stays, as far as it is there.</param>
    public static void Keep(CapabilitySet capabilities)
    {
        CapabilityState now = Read();
        Lower(now, now.Bounding.Intersect(capabilities), now.Permitted.Intersect(capabilities), now.Effective.Intersect(capabilities),
            now.Inheritable.Intersect(capabilities));
    }

    /// <summary>Sets permitted, effective, inheritable and ambient of the calling thread;
    /// the bounding set is limited to the state's.</summary>
    /// <remarks>Calls capset(2) and prctl(2). Scope: the calling thread and what it starts.</remarks>
    /// <param name="state">The five sets. Ambient must be in permitted and in inheritable.</param>
    /// <exception cref="LinuxException"><c>EPERM</c>: a capability would be gained, or <c>CAP_SETPCAP</c> is missing,
    /// which the bounding set needs.</exception>
    public static void SetForCurrentThread(CapabilityState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        CapabilityState now = Read();
        var steps = new List<PlanStep>();
        if (CapabilitySteps.LimitBounding(state.Bounding, now.Bounding) is { } bounding)
            steps.Add(bounding);
        steps.Add(CapabilitySteps.Set(state.Permitted, state.Effective, state.Inheritable));
        // The kernel takes away from the ambient set what is not permitted or inheritable any more.
        if (state.Ambient != now.Ambient.Intersect(state.Permitted).Intersect(state.Inheritable))
            steps.Add(CapabilitySteps.SetAmbient(state.Ambient));
        ManagedInterpreter.Run([.. steps]);
    }

    /// <summary>The calling thread's securebits: prctl(2) <c>PR_GET_SECUREBITS</c>.</summary>
    public static Securebits SecurebitsOfCurrentThread => (Securebits)RawSyscall.Invoke(Syscall.prctl, Prctl.PR_GET_SECUREBITS).Value;

    /// <summary>Sets the calling thread's securebits: prctl(2) <c>PR_SET_SECUREBITS</c>. A locked one cannot be changed.</summary>
    /// <exception cref="LinuxException"><c>EPERM</c>: <c>CAP_SETPCAP</c> is missing, or a bit is locked.</exception>
    public static void SetSecurebitsForCurrentThread(Securebits bits) => ManagedInterpreter.Run(CapabilitySteps.SetSecurebits(bits));

    /// <summary>Has the calling thread keep its permitted set when its user ids leave 0: prctl(2) <c>PR_SET_KEEPCAPS</c>,
    /// until the next execve(2). The effective set is emptied all the same.</summary>
    /// <exception cref="LinuxException"><c>EPERM</c>: <see cref="Securebits.KeepCapsLocked"/>.</exception>
    public static void KeepAcrossUserChangeForCurrentThread() => ManagedInterpreter.Run(CapabilitySteps.KeepAcrossUserChange());

    private static void Lower(CapabilityState now, CapabilitySet bounding, CapabilitySet permitted, CapabilitySet effective,
        CapabilitySet inheritable)
    {
        // Lowering permitted or inheritable lowers the ambient set with it.
        PlanStep set = CapabilitySteps.Set(permitted, effective, inheritable);
        if (CapabilitySteps.LimitBounding(bounding, now.Bounding) is { } limit)
            ManagedInterpreter.Run(limit, set);
        else
            ManagedInterpreter.Run(set);
    }
}
