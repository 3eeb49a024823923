using System.Collections.Immutable;
using System.Text;
using Isolation.Linux;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>What threads or processes may do with files, ports and processes outside: an immutable value that prints itself. Everything
/// that it restricts is refused but for what its rules allow.</summary>
/// <remarks>Unprivileged. It cannot be undone, and further rulesets can only restrict more. See landlock(7).</remarks>
/// <example><code>
/// LandlockReport report = LandlockRuleset.Restrict(required: LandlockRights.OfAbi(1), bestEffort: LandlockRights.All)
///     .Allow(LandlockFileAccess.Read | LandlockFileAccess.Execute, "/usr")
///     .Allow(LandlockNetAccess.ConnectTcp, 443)
///     .RestrictCurrentThread();
/// Console.WriteLine(report); // what is enforced, and what this kernel cannot
/// </code></example>
public sealed record LandlockRuleset
{
    private LandlockRuleset()
    {
    }

    /// <summary>What is restricted on every kernel: one that cannot throws.</summary>
    public LandlockRights Required { get; private init; }

    /// <summary>What is restricted where the kernel can.</summary>
    public LandlockRights BestEffort { get; private init; }

    /// <summary>What is allowed on paths.</summary>
    public ImmutableArray<LandlockPathRule> Paths { get; private init; } = [];

    /// <summary>What is allowed on ports.</summary>
    public ImmutableArray<LandlockPortRule> Ports { get; private init; } = [];

    /// <summary>Which refusals are logged. Best effort.</summary>
    public LandlockLogging Logging { get; private init; }

    /// <summary>Whose refusals are not logged: on quiet paths, and of scopes anywhere. Best effort; ABI 10.</summary>
    public LandlockRights QuietRights { get; private init; }

    /// <summary>A ruleset that allows nothing of what it restricts.</summary>
    /// <param name="required">What must be restricted.</param>
    /// <param name="bestEffort">What is restricted where the kernel can. Its rights need not be disjoint with those required.</param>
    public static LandlockRuleset Restrict(LandlockRights required, LandlockRights bestEffort = default)
    {
        required.Union(bestEffort).Needs();
        return new() { Required = required, BestEffort = bestEffort.Except(required) };
    }

    internal static LandlockRuleset Of(LandlockRights required, LandlockRights bestEffort, ImmutableArray<LandlockPathRule> paths,
        ImmutableArray<LandlockPortRule> ports, LandlockLogging logging, LandlockRights quietRights) => Restrict(required, bestEffort) with
        {
            Paths = paths,
            Ports = ports,
            Logging = logging,
            QuietRights = quietRights,
        };

    /// <summary>Everything that the newest ABI can restrict, as far as the kernel can; at least the first ABI's.</summary>
    public static LandlockRuleset Everything { get; } = Restrict(LandlockRights.OfAbi(1), LandlockRights.All);

    /// <summary>Allows something below paths.</summary>
    /// <exception cref="ArgumentException">The ruleset does not restrict it, or a path is empty.</exception>
    public LandlockRuleset Allow(LandlockFileAccess access, params ReadOnlySpan<string> paths) => Add(access, paths, optional: false);

    /// <summary>Allows something below paths; those that do not exist are left out.</summary>
    /// <inheritdoc cref="Allow(LandlockFileAccess, ReadOnlySpan{string})"/>
    public LandlockRuleset AllowIfExists(LandlockFileAccess access, params ReadOnlySpan<string> paths) =>
        Add(access, paths, optional: true);

    /// <summary>Allows something on ports.</summary>
    /// <exception cref="ArgumentException">The ruleset does not restrict it, or a port is out of range.</exception>
    public LandlockRuleset Allow(LandlockNetAccess access, params ReadOnlySpan<int> ports)
    {
        RequireRestricted(new LandlockRights(LandlockFileAccess.None, access));
        ImmutableArray<LandlockPortRule> rules = Ports;
        foreach (int port in ports)
            rules = rules.Add(port is >= 0 and <= 65535
                ? new LandlockPortRule(port, access)
                : throw new ArgumentOutOfRangeException(nameof(ports), port, "A port is 0 to 65535."));
        return this with { Ports = rules };
    }

    /// <summary>Says which refusals are logged.</summary>
    public LandlockRuleset WithLogging(LandlockLogging logging) => this with { Logging = logging };

    /// <summary>Says whose refusals are not logged: on these paths, and for the scopes anywhere.</summary>
    public LandlockRuleset WithQuiet(LandlockRights rights, params ReadOnlySpan<string> paths)
    {
        RequireRestricted(rights);
        LandlockRuleset quiet = this with { QuietRights = rights };
        foreach (string path in paths)
            quiet = quiet with { Paths = quiet.Paths.Add(new LandlockPathRule(path, LandlockFileAccess.None, Quiet: true)) };
        return quiet;
    }

    /// <summary>What of the ruleset a kernel enforces. Pure.</summary>
    /// <param name="abi">The kernel's ABI version: <see cref="Landlock.Abi"/> for this one.</param>
    /// <exception cref="KernelFeatureException">The kernel lacks a right that is required.</exception>
    public LandlockReport Plan(int abi)
    {
        LandlockRights has = LandlockRights.OfAbi(abi);
        LandlockRights missing = Required.Except(has);
        if (!missing.IsEmpty || (abi == 0 && !Required.IsEmpty))
        {
            (int needed, KernelVersion since) = missing.Needs();
            throw new KernelFeatureException($"Landlock's {missing}",
                abi == 0 ? "Landlock is not active" : $"the kernel has Landlock ABI {abi}, which is less than {needed}",
                abi == 0
                    ? "Have it among the LSMs of the kernel's command line (lsm=landlock,...), or do without."
                    : "Require less and take the rest as best effort, or use a newer kernel.", since);
        }

        LandlockRights wanted = Required.Union(BestEffort);
        return new LandlockReport(abi, wanted.Intersect(has), wanted.Except(has),
            abi >= LandlockRights.LoggingAbi ? Logging : LandlockLogging.Default);
    }

    /// <summary>Restricts the calling thread, and threads and processes that it starts, for good.</summary>
    /// <remarks>Calls landlock_create_ruleset(2), landlock_add_rule(2), landlock_restrict_self(2).
    /// Other threads of the process stay as they are.</remarks>
    /// <returns>What is enforced.</returns>
    /// <exception cref="KernelFeatureException">The kernel lacks a right that is required.</exception>
    /// <exception cref="LinuxException"><c>EPERM</c>: neither no_new_privs nor <c>CAP_SYS_ADMIN</c>. <c>ENOENT</c>: a path does not exist.
    /// <c>E2BIG</c>: 16 rulesets are in force.</exception>
    public LandlockReport RestrictCurrentThread() => RestrictHere(allThreads: false);

    /// <summary>Restricts every thread of the process at once, for good: <c>LANDLOCK_RESTRICT_SELF_TSYNC</c>, ABI 8.</summary>
    /// <remarks>Threads without no_new_privs get it from the calling one. What Landlock had restricted of other threads before is replaced
    /// by what holds for the calling one.</remarks>
    /// <inheritdoc cref="RestrictCurrentThread"/>
    public LandlockReport RestrictAllThreads() => RestrictHere(allThreads: true);

    /// <summary>The whole ruleset, a rule a line.</summary>
    public override string ToString()
    {
        var text = new StringBuilder($"required: {Required}\nbest effort: {BestEffort}\n");
        foreach (LandlockPathRule rule in Paths)
            text.Append(rule).Append('\n');
        foreach (LandlockPortRule rule in Ports)
            text.Append(rule).Append('\n');
        if (Logging != LandlockLogging.Default)
            text.Append("logging: ").Append(Logging).Append('\n');
        return text.ToString();
    }

    private LandlockReport RestrictHere(bool allThreads)
    {
        LandlockReport report = Plan(Landlock.Abi) with { AllThreads = allThreads };
        if (allThreads && report.Abi < LandlockRights.AllThreadsAbi)
        {
            throw new KernelFeatureException("Landlock on all threads at once",
                $"the kernel has Landlock ABI {report.Abi}, which is less than {LandlockRights.AllThreadsAbi}",
                "Restrict the first thread before others are started, or each thread by itself.",
                LandlockRights.SinceOf(LandlockRights.AllThreadsAbi));
        }

        if (!report.Enforced.IsEmpty)
            ManagedInterpreter.Run([.. LandlockSteps.Restrict(this, report)]);
        return report;
    }

    private LandlockRuleset Add(LandlockFileAccess access, ReadOnlySpan<string> paths, bool optional)
    {
        RequireRestricted(new LandlockRights(access));
        ImmutableArray<LandlockPathRule> rules = Paths;
        foreach (string path in paths)
        {
            ArgumentException.ThrowIfNullOrEmpty(path, nameof(paths));
            rules = rules.Add(new LandlockPathRule(path, access, optional));
        }

        return this with { Paths = rules };
    }

    private void RequireRestricted(LandlockRights rights)
    {
        LandlockRights missing = rights.Except(Required.Union(BestEffort));
        if (!missing.IsEmpty)
            throw new ArgumentException($"The ruleset does not restrict {missing}, so there is nothing to allow.");
    }
}
