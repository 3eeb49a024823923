using System.Collections.Concurrent;
using System.Collections.Immutable;

namespace Isolation.Security;

/// <summary>System calls that belong together, under the names that systemd.exec(5) has for such sets: <c>@file-system</c>. Calls of every
/// architecture and kernel version are in it; those that an architecture lacks are left out there.</summary>
/// <param name="Name">With the <c>@</c>.</param>
/// <param name="Summary">What the calls are for.</param>
/// <param name="Syscalls">Their names, in order.</param>
public sealed partial record SyscallGroup(string Name, string Summary, ImmutableArray<string> Syscalls)
{
    private static readonly Lazy<Dictionary<string, (string Name, string Summary, string Syscalls)>> s_definitions =
        new(() => Definitions.ToDictionary(d => d.Name, StringComparer.Ordinal));
    private static readonly ConcurrentDictionary<string, SyscallGroup> s_groups = new(StringComparer.Ordinal);

    /// <summary>All groups, in the order of their names.</summary>
    public static IReadOnlyList<SyscallGroup> All => [.. s_definitions.Value.Keys.Order(StringComparer.Ordinal).Select(Named)];

    /// <summary>The group of a name.</summary>
    /// <param name="name">With the <c>@</c>.</param>
    /// <exception cref="ArgumentException">There is no such group; the message lists them.</exception>
    public static SyscallGroup Named(string name) =>
        s_groups.GetOrAdd(name, static name => s_definitions.Value.TryGetValue(name, out var definition)
            ? new SyscallGroup(name, definition.Summary, [.. Flatten(name).Distinct().Order(StringComparer.Ordinal)])
            : throw new ArgumentException($"There is no group \"{name}\" of system calls; there "
                + $"are {string.Join(", ", s_definitions.Value.Keys.Order(StringComparer.Ordinal))}.", nameof(name)));

    private static IEnumerable<string> Flatten(string name) =>
        s_definitions.Value[name].Syscalls.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)
            .SelectMany(n => n[0] == '@' ? Flatten(n) : [n]);

    /// <inheritdoc/>
    public override string ToString() => $"{Name}: {Summary}";
}
