using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Isolation.Linux;

namespace Isolation.Security;

/// <summary>What a program was seen to do, and the smallest filter that lets it do that again. Immutable;
/// profiles of several runs merge.</summary>
public sealed record LearnedProfile
{
    // How threads end, signals return and interrupted calls go on: not for the program to choose, nor seen in every run.
    internal static ImmutableArray<string> Always => ["exit", "exit_group", "restart_syscall", "rt_sigreturn", "sigreturn"];

    /// <summary>The calls that were made, and how often.</summary>
    public ImmutableSortedDictionary<string, long> Syscalls { get; init; } = ImmutableSortedDictionary<string, long>.Empty;

    /// <summary>Of calls whose argument names an operation, which were asked for: the families of socket(2), requests of ioctl(2),
    /// options of prctl(2), values of personality(2).</summary>
    public ImmutableSortedDictionary<string, ImmutableArray<ulong>> Operations { get; init; } =
        ImmutableSortedDictionary<string, ImmutableArray<ulong>>.Empty;

    /// <summary>All flags that clone(2) was given.</summary>
    public ulong CloneFlags { get; init; }

    /// <summary>Files and directories that were opened for reading.</summary>
    public ImmutableSortedSet<string> Read { get; init; } = [];

    /// <summary>Files that were opened for writing, made or truncated.</summary>
    public ImmutableSortedSet<string> Written { get; init; } = [];

    /// <summary>Files that were executed, or were tried.</summary>
    public ImmutableSortedSet<string> Executed { get; init; } = [];

    /// <summary>Addresses that were connected to: <c>127.0.0.1:80</c>, <c>unix:/run/x</c>.</summary>
    public ImmutableSortedSet<string> Connected { get; init; } = [];

    /// <summary>Addresses that were bound.</summary>
    public ImmutableSortedSet<string> Bound { get; init; } = [];

    /// <summary>What was seen in either.</summary>
    public LearnedProfile Merge(LearnedProfile other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return new LearnedProfile
        {
            Syscalls = Syscalls.Concat(other.Syscalls).GroupBy(s => s.Key, s => s.Value)
                .ToImmutableSortedDictionary(g => g.Key, g => g.Sum(), StringComparer.Ordinal),
            Operations = Operations.Concat(other.Operations).GroupBy(o => o.Key, o => o.Value).ToImmutableSortedDictionary(g => g.Key,
                g => g.SelectMany(v => v).Distinct().Order().ToImmutableArray(), StringComparer.Ordinal),
            CloneFlags = CloneFlags | other.CloneFlags,
            Read = Read.Union(other.Read),
            Written = Written.Union(other.Written),
            Executed = Executed.Union(other.Executed),
            Connected = Connected.Union(other.Connected),
            Bound = Bound.Union(other.Bound),
        };
    }

    /// <summary>The smallest filter: <c>EPERM</c> for every call that was not seen, <c>ENOSYS</c> for newer ones.</summary>
    public SeccompFilter ToFilter()
    {
        SeccompFilter filter = SeccompFilter.Of(SeccompAction.Deny).Allow([.. Always.AsSpan()])
            .WithNewerSyscalls(SeccompAction.Errno(Linux.Errno.ENOSYS));
        foreach (string name in Syscalls.Keys)
        {
            if (Operations.TryGetValue(name, out ImmutableArray<ulong> operations))
            {
                int argument = name == "ioctl" ? 1 : 0;
                foreach (ulong operation in operations)
                    filter = filter.Add(SeccompAction.Allow, name, SeccompCondition.LowEqual(argument, (uint)operation));
            }
            else if (name == "clone")
            {
                // Namespaces and the like are told by flags that were never given.
                filter = filter.Add(SeccompAction.Allow, name,
                    SeccompCondition.MaskedEqual(0, SeccompFilter.NewNamespaces & ~CloneFlags, 0));
            }
            else
            {
                filter = filter.Allow(name);
            }
        }

        return filter;
    }

    /// <summary>The filter as an OCI profile. Calls that are newer than <see cref="SyscallTable.Version"/>
    /// have no name, and are left out.</summary>
    public string ToJson() => SeccompProfile.Write(
        (this with { Syscalls = Syscalls.RemoveRange(Syscalls.Keys.Where(s => !SyscallTable.IsKnown(s))) }).ToFilter());

    /// <summary>The filter as C#.</summary>
    public string ToCSharp()
    {
        SeccompFilter filter = ToFilter();
        var text = new StringBuilder("SeccompFilter filter = SeccompFilter.Of(SeccompAction.Deny)\n");
        foreach (string[] line in filter.Rules.Where(r => r.Conditions.IsEmpty).Select(r => $"\"{r.Syscall}\"").Chunk(8))
            text.Append(CultureInfo.InvariantCulture, $"    .Allow({string.Join(", ", line)})\n");
        foreach (SeccompRule rule in filter.Rules.Where(r => !r.Conditions.IsEmpty))
        {
            SeccompCondition condition = rule.Conditions[0];
            text.Append(CultureInfo.InvariantCulture,
                $"    .Add(SeccompAction.Allow, \"{rule.Syscall}\", SeccompCondition.MaskedEqual({condition.Argument}, "
                    + $"0x{condition.Mask:x}, 0x{condition.Value:x}))\n");
        }

        return text.Append("    .WithNewerSyscalls(SeccompAction.Errno(Errno.ENOSYS));\n").ToString();
    }

    /// <summary>What was done, a subject a line.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"system calls ({Syscalls.Count}): "
            + $"{string.Join(", ", Syscalls.Select(s => string.Create(CultureInfo.InvariantCulture, $"{s.Key} {s.Value}")))}\n");
        foreach ((string what, ImmutableSortedSet<string> which) in new[] { ("read", Read), ("wrote", Written), ("executed", Executed),
            ("connected to", Connected), ("bound", Bound) })
        {
            foreach (string one in which)
                text.Append(CultureInfo.InvariantCulture, $"{what} {PrintableText.Of(one)}\n");
        }

        return text.ToString();
    }
}
