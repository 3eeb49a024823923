using System.Collections.Frozen;
using System.Collections.Immutable;

namespace Isolation.Security;

/// <summary>System calls that belong together, under the names that systemd.exec(5) has for such sets: <c>@file-system</c>. Calls of every architecture and
/// kernel version are in it; those that an architecture lacks are left out there.</summary>
/// <param name="Name">With the <c>@</c>.</param>
/// <param name="Summary">What the calls are for.</param>
/// <param name="Syscalls">Their names, in order.</param>
public sealed partial record SyscallGroup(string Name, string Summary, ImmutableArray<string> Syscalls)
{
    private static readonly Lazy<FrozenDictionary<string, SyscallGroup>> s_groups = new(() =>
    {
        var texts = Definitions.ToDictionary(d => d.Name, d => d.Syscalls.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries), StringComparer.Ordinal);
        IEnumerable<string> Flatten(string name) => texts[name].SelectMany(n => n[0] == '@' ? Flatten(n) : [n]);
        return Definitions.Select(d => new SyscallGroup(d.Name, d.Summary, [.. Flatten(d.Name).Distinct().Order(StringComparer.Ordinal)]))
            .ToFrozenDictionary(g => g.Name, StringComparer.Ordinal);
    });

    /// <summary>All groups, in the order of their names.</summary>
    public static IReadOnlyList<SyscallGroup> All => [.. s_groups.Value.Values.OrderBy(g => g.Name, StringComparer.Ordinal)];

    /// <summary>The group of a name.</summary>
    /// <param name="name">With the <c>@</c>.</param>
    /// <exception cref="ArgumentException">There is no such group; the message lists them.</exception>
    public static SyscallGroup Named(string name) => s_groups.Value.TryGetValue(name, out SyscallGroup? group)
        ? group
        : throw new ArgumentException($"There is no group \"{name}\" of system calls; there are {string.Join(", ", All.Select(g => g.Name))}.", nameof(name));

    /// <inheritdoc/>
    public override string ToString() => $"{Name}: {Summary}";
}
