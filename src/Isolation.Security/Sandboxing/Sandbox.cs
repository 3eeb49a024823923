using System.Collections;
using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>Restricts one's own process, for good: no_new_privs, Landlock, seccomp, capabilities. Needs no privilege.</summary>
/// <example><code>
/// // At the start of Main: all threads are covered, on every kernel.
/// SandboxReport report = Sandbox.RestrictByReexecuting(s => s.Runtime().Read("/srv/data").Write(scratch).ConnectTcp(443).Seccomp(SeccompFilter.DotNet).DropAll());
/// </code></example>
public static class Sandbox
{
    private const string Marker = "ISOLATION_SANDBOX";

    /// <summary>Restricts the process as it runs: every thread by the filter, and by Landlock where the kernel can (ABI 8, Linux 7.0); else the calling thread. Capabilities are the calling
    /// thread's alone. The report says what that leaves open.</summary>
    /// <param name="policy">What is allowed.</param>
    /// <exception cref="KernelFeatureException">The kernel lacks a right of Landlock that is required.</exception>
    /// <exception cref="LinuxException">A path does not exist, or a thread has a filter of its own. What was in force by then stays.</exception>
    public static SandboxReport Restrict(Func<SandboxPolicy, SandboxPolicy> policy)
    {
        ArgumentNullException.ThrowIfNull(policy);
        return Apply(policy(new SandboxPolicy()), wholeProcess: false);
    }

    /// <summary>Restricts the calling thread, then executes the program anew from the start, with the same arguments: no thread is left that is not restricted. Call it first thing in Main;
    /// it returns in the new program.</summary>
    /// <remarks>execve(2) of /proc/self/exe. Descriptors that are close-on-exec, as .NET's are, are closed. What the new program finds in force is checked before it returns.</remarks>
    /// <inheritdoc cref="Restrict"/>
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
        return Report(policy, plan, wholeProcess ? SandboxScope.Process : SandboxScope.CallingThread, allThreads);
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
        ManagedInterpreter.Run(CapabilitySteps.Set(now.Permitted.Intersect(kept), now.Effective.Intersect(kept), now.Inheritable.Intersect(kept)));
    }

    // The filter must let the execution through; it is in force for all else.
    private static void LoadForExecution(SeccompFilter? filter)
    {
        if (filter is null)
            return;
        SeccompVerdict verdict = filter.Explain("execve");
        if (!verdict.Action.MayRun)
            throw new ArgumentException($"The filter must allow execve, by which the program is executed anew: {verdict}");
        filter.LoadOnCurrentThread();
    }

    private static SandboxReport Report(SandboxPolicy policy, LandlockReport landlock, SandboxScope here, bool allThreads)
    {
        SandboxScope landlockScope = landlock.Enforced.IsEmpty ? SandboxScope.None : allThreads ? SandboxScope.Process : here;
        SandboxScope capabilities = policy.Capabilities is null ? SandboxScope.None : here;
        var open = ImmutableArray.CreateBuilder<string>();
        if (!landlock.NotEnforced.IsEmpty)
            open.Add($"Landlock ABI {landlock.Abi} of this kernel does not restrict {landlock.NotEnforced}.");
        if (landlockScope == SandboxScope.CallingThread)
            open.Add("Landlock does not restrict threads that were there before; it needs ABI 8 (Linux 7.0) for that, or RestrictByReexecuting.");
        if (capabilities == SandboxScope.CallingThread && Capabilities.Read(Environment.ProcessId) is { Permitted.IsEmpty: false })
            open.Add("Other threads have their capabilities still: they are per thread; RestrictByReexecuting covers all.");
        return new SandboxReport
        {
            // The filter takes no_new_privs along to all threads, and Landlock's TSYNC does.
            NoNewPrivileges = here == SandboxScope.Process || policy.Filter is not null || allThreads ? SandboxScope.Process : here,
            Landlock = landlockScope,
            LandlockRights = landlock with { AllThreads = landlockScope == SandboxScope.Process },
            Seccomp = policy.Filter is null ? SandboxScope.None : SandboxScope.Process,
            Capabilities = capabilities,
            NotCovered = open.ToImmutable(),
        };
    }

    /// <summary>In the new program: what can be read back must be as it was set before. The filter may refuse to tell Landlock's version.</summary>
    private static SandboxReport Check(SandboxPolicy policy, int abi)
    {
        string[] status = File.ReadAllLines("/proc/self/status");
        bool filtered = policy.Filter is null || status.Contains("Seccomp:\t2");
        bool dropped = policy.Capabilities is not { } kept || kept.Contains(Capabilities.Read(Environment.ProcessId).Permitted);
        if (!NoNewPrivileges.IsSetForCurrentThread || !filtered || !dropped)
            throw new InvalidOperationException($"The environment says that the process is restricted ({Marker}), and it is not.");
        return Report(policy, policy.Landlock.Plan(abi), SandboxScope.Process, allThreads: false);
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

        SyscallResult result = ManagedInterpreter.Result(new SyscallStep(Syscall.execve, Environment.ProcessPath!, StepArgument.StringArray(arguments), StepArgument.StringArray(variables)));
        throw new LinuxException("execute anew", $"\"{Environment.ProcessPath}\"", "execve(2)", result.Errno, hint: "The policy must allow the program, its loader and the runtime to be read and executed.");
    }
}
