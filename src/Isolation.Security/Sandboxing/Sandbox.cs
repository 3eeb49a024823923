using System.Collections;
using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>Restricts the calling process, irrevocably: no_new_privs, Landlock, seccomp, capabilities. Needs no privilege.</summary>
/// <example><code>
/// // At the start of Main: all threads are covered, on every kernel.
/// SandboxReport report = Sandbox.RestrictByReexecuting(s =>
///     s.Runtime().Read("/srv/data").Write("/srv/scratch").ConnectTcp(443).Seccomp(SeccompFilter.DotNet).DropAll());
/// </code></example>
public static class Sandbox
{
    private const string Marker = "ISOLATION_SANDBOX";

    /// <summary>Restricts the process as it runs: every thread by the filter, and by Landlock where the kernel can (ABI 8, Linux 7.0); else
    /// the calling thread. Capabilities are dropped by the calling thread alone. The report looks at every thread and says what is left
    /// open.</summary>
    /// <param name="policy">What is allowed.</param>
    /// <exception cref="KernelFeatureException">The kernel lacks a right of Landlock that is required.</exception>
    /// <exception cref="LinuxException">A path does not exist, or a thread has a filter of its own.
    /// What was in force by then stays.</exception>
    public static SandboxReport Restrict(Func<SandboxPolicy, SandboxPolicy> policy)
    {
        ArgumentNullException.ThrowIfNull(policy);
        return Apply(policy(new SandboxPolicy()), wholeProcess: false);
    }

    /// <summary>Restricts the calling thread, then executes the program anew from the start, with the same arguments: no thread is left
    /// that is not restricted. Call it first thing in Main; it returns in the new program.</summary>
    /// <remarks>execve(2) of /proc/self/exe. Descriptors that are close-on-exec, as .NET's are, are closed.
    /// What the new program finds in force is checked before it returns.</remarks>
    /// <inheritdoc cref="Restrict" path="/exception"/>
    /// <param name="policy">What is allowed: the runtime too (<see cref="SandboxPolicy.Runtime"/>).</param>
    public static SandboxReport RestrictByReexecuting(Func<SandboxPolicy, SandboxPolicy> policy)
    {
        ArgumentNullException.ThrowIfNull(policy);
        SandboxPolicy wanted = policy(new SandboxPolicy());
        // The process id tells this program from those that it starts, which have the variable too.
        if (Environment.GetEnvironmentVariable(Marker)?.Split(':') is [var id, var abi] && id == Text(Environment.ProcessId))
            return Check(wanted, int.Parse(abi, CultureInfo.InvariantCulture));
        Apply(wanted, wholeProcess: true);
        Reexecute();
        throw new System.Diagnostics.UnreachableException();
    }

    private static SandboxReport Apply(SandboxPolicy policy, bool wholeProcess)
    {
        // Before the policy keeps this process from looking. Others start threads that are as they are, so none is missed.
        ImmutableArray<ThreadState>? others = wholeProcess ? [] : ThreadState.ReadOthers();
        bool allThreads = !wholeProcess && Landlock.Abi >= LandlockRights.AllThreadsAbi;
        // Fails before anything is in force.
        LandlockReport plan = policy.Landlock.Plan(Landlock.Abi);
        SeccompProgram? program = policy.Filter?.Compile();
        NoNewPrivileges.SetForCurrentThread();
        if (!plan.Enforced.IsEmpty)
            plan = allThreads ? policy.Landlock.RestrictAllThreads() : policy.Landlock.RestrictCurrentThread();
        // Before the filter, which may refuse capset; the filter last, since it refuses whatever it refuses.
        if (policy.Capabilities is { } kept)
            DropTo(kept);
        if (wholeProcess)
            LoadForExecution(policy.Filter);
        else if (program is not null)
            policy.Filter!.LoadOnAllThreads();
        return Report(policy, plan, wholeProcess ? SandboxScope.Process : SandboxScope.CallingThread, allThreads, others);
    }

    private static void DropTo(CapabilitySet kept)
    {
        CapabilityState now = Capabilities.Read();
        if (now.Effective.Contains(Capability.Setpcap))
        {
            Capabilities.Keep(kept);
            return;
        }

        // Without CAP_SETPCAP the bounding set stays as it is; with no_new_privs it gives nothing.
        ManagedInterpreter.Run(CapabilitySteps.Set(now.Permitted.Intersect(kept), now.Effective.Intersect(kept),
            now.Inheritable.Intersect(kept)));
    }

    // The filter must let the execution through; it is in force for all else.
    private static void LoadForExecution(SeccompFilter? filter)
    {
        if (filter is null)
            return;
        SeccompVerdict verdict = filter.Explain(SeccompCall.Of(SeccompArchitectures.Native,
            SyscallTable.For(SeccompArchitectures.Native).Number("execve")!.Value));
        if (!verdict.Action.MayRun)
            throw new ArgumentException($"The filter must allow execve, by which the program is executed anew: {verdict}");
        filter.LoadOnCurrentThread();
    }

    private static SandboxReport Report(SandboxPolicy policy, LandlockReport landlock, SandboxScope here, bool allThreads,
        ImmutableArray<ThreadState>? others)
    {
        SandboxScope landlockScope = landlock.Enforced.IsEmpty ? SandboxScope.None : allThreads ? SandboxScope.Process : here;
        var open = ImmutableArray.CreateBuilder<string>();
        if (!landlock.NotEnforced.IsEmpty)
            open.Add($"Landlock ABI {landlock.Abi} of this kernel does not restrict {landlock.NotEnforced}.");
        if (landlockScope == SandboxScope.CallingThread)
            open.Add("Landlock does not restrict threads that were there before; "
                + "it needs ABI 8 (Linux 7.0) for that, or RestrictByReexecuting.");
        SandboxScope capabilities = policy.Capabilities is { } kept
            ? Scope(here, others, t => t.HasNoMoreThan(kept), "have capabilities still, which are per thread", open)
            : SandboxScope.None;
        // The filter takes no_new_privs along to all threads, and Landlock's TSYNC does.
        SandboxScope noNewPrivileges = policy.Filter is not null || allThreads
            ? SandboxScope.Process
            : Scope(here, others, t => t.NoNewPrivileges, "can gain privileges by execve(2) still, since no_new_privs is per thread", open);
        return new SandboxReport
        {
            NoNewPrivileges = noNewPrivileges,
            Landlock = landlockScope,
            LandlockRights = landlock with { AllThreads = landlockScope == SandboxScope.Process },
            Seccomp = policy.Filter is null ? SandboxScope.None : SandboxScope.Process,
            Capabilities = capabilities,
            NotCovered = open.ToImmutable(),
        };
    }

    private static SandboxScope Scope(
        SandboxScope here, ImmutableArray<ThreadState>? others, Func<ThreadState, bool> isRestricted, string what,
        ImmutableArray<string>.Builder open)
    {
        if (here == SandboxScope.Process)
            return here;
        if (others is not { } threads)
        {
            open.Add(
                $"Threads that were there before may {what}: /proc, which would tell, cannot be read. RestrictByReexecuting covers all.");
            return SandboxScope.CallingThread;
        }

        ThreadState[] free = [.. threads.Where(t => !isRestricted(t))];
        if (free.Length == 0)
            return SandboxScope.Process;
        string names = string.Join(", ", free.Select(t => t.Name).Distinct().Take(4).Select(n => $"\"{PrintableText.Of(n)}\""));
        open.Add($"{Text(free.Length)} of {Text(threads.Length)} threads that were there before ({names}, ...) {what}. "
            + "RestrictByReexecuting covers all.");
        return SandboxScope.CallingThread;
    }

    /// <summary>In the new program: what can be read back must be as it was set before.
    /// The filter may refuse to tell Landlock's version.</summary>
    private static SandboxReport Check(SandboxPolicy policy, int abi)
    {
        foreach (ThreadState thread in ThreadState.ReadAll())
        {
            bool dropped = policy.Capabilities is not { } kept || thread.HasNoMoreThan(kept);
            if (!thread.NoNewPrivileges || !(policy.Filter is null || thread.IsFiltered) || !dropped)
                throw new InvalidOperationException(
                    $"The environment says that the process is restricted ({Marker}), and its thread {Text(thread.ThreadId)} is not.");
        }

        return Report(policy, policy.Landlock.Plan(abi), SandboxScope.Process, allThreads: false, []);
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static void Reexecute()
    {
        string[] arguments = File.ReadAllText("/proc/self/cmdline").Split('\0')[..^1];
        var variables = new List<string> { $"{Marker}={Text(Environment.ProcessId)}:{Text(Landlock.Abi)}" };
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            if ((string)variable.Key != Marker)
                variables.Add($"{variable.Key}={variable.Value}");
        }

        SyscallResult result = ManagedInterpreter.Result(new SyscallStep(Syscall.execve, Environment.ProcessPath!,
            StepArgument.StringArray(arguments), StepArgument.StringArray(variables)));
        throw new LinuxException("execute anew", $"\"{Environment.ProcessPath}\"", "execve(2)", result.Errno,
            remedy: "The policy must allow the program, its loader and the runtime to be read and executed.");
    }
}
