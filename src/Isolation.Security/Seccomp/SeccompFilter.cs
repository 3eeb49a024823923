using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Isolation.Linux;

namespace Isolation.Security;

/// <summary>Which system calls are made and which are refused: an immutable value that prints itself and compiles to
/// a <see cref="SeccompProgram"/>.</summary>
/// <remarks>The order of rules has no meaning: where several match a call the strictest action holds, as the kernel does with several
/// filters, and of several error numbers the lowest.
/// A call that no rule matches gets <see cref="DefaultAction"/>.
/// To relax, take rules away by <see cref="Without"/> first. See seccomp(2).</remarks>
/// <example><code>
/// SeccompFilter filter = SeccompFilter.Of(SeccompAction.Allow)
///     .Add(SeccompAction.Deny, "ptrace", "@mount")
///     .Add(SeccompAction.Deny, "ioctl", SeccompCondition.LowEqual(1, 0x5412)); // TIOCSTI
/// Console.WriteLine(filter.Compile()); // the program, instruction by instruction
/// </code></example>
public sealed partial class SeccompFilter
{
    // Of a filter whose denials are notified, the one that it stands for: its rules decide where a rule holds.
    private readonly SeccompFilter? _plain;

    // By architecture; filled as they are asked for.
    private readonly ILookup<uint, SeccompRule>?[] _rules = new ILookup<uint, SeccompRule>?[5];

    private string? _text;
    private SeccompProgram? _program;
    private SeccompFilter? _notified, _exempted;

    private SeccompFilter()
    {
    }

    private SeccompFilter(SeccompFilter other)
    {
        DefaultAction = other.DefaultAction;
        Architectures = other.Architectures;
        Rules = other.Rules;
        ForeignArchitectures = other.ForeignArchitectures;
        NewerSyscalls = other.NewerSyscalls;
        NewestSyscalls = other.NewestSyscalls;
        Flags = other.Flags;
        UnknownNames = other.UnknownNames;
        Exemptions = other.Exemptions;
        _plain = other._plain;
    }

    private SeccompFilter(SeccompFilter other, SeccompFilter plain) : this(other) => _plain = plain;

    /// <summary>What is done with a call that no rule matches.</summary>
    public SeccompAction DefaultAction { get; private init; }

    /// <summary>Whose calls the rules are for; <see cref="ForeignArchitectures"/> decides on those of others.</summary>
    public ImmutableArray<SeccompArchitecture> Architectures { get; private init; } = [SeccompArchitectures.Native];

    /// <summary>The rules.</summary>
    public ImmutableArray<SeccompRule> Rules { get; private init; } = [];

    /// <summary>What is done with calls of other architectures: i386's and x32's under an x86-64 filter. They die unless said otherwise,
    /// since their numbers mean other calls.</summary>
    public SeccompAction ForeignArchitectures { get; private init; } = SeccompAction.KillProcess;

    /// <summary>What is done with calls that no rule matches and that are newer than those which the filter knows
    /// (<see cref="NewestSyscalls"/>); null: <see cref="DefaultAction"/>. <c>ENOSYS</c> makes libraries fall back to older
    /// calls.</summary>
    public SeccompAction? NewerSyscalls { get; private init; }

    /// <summary>The highest number of a call that the filter knows, by architecture: numbers above it are newer calls. Null where the
    /// filter knows the whole <see cref="SyscallTable"/>. A profile that was read knows the calls that it names, whatever it does with
    /// them; on an architecture that is missing here it names none, and no call counts as newer.</summary>
    public ImmutableSortedDictionary<SeccompArchitecture, uint>? NewestSyscalls { get; private init; }

    /// <summary>How the filter is loaded.</summary>
    public SeccompFlags Flags { get; private init; }

    /// <summary>Names of a profile that was read which no table knows:
    /// calls of other architectures or of later kernels. They have no rule.</summary>
    public ImmutableArray<string> UnknownNames { get; private init; } = [];

    /// <summary>Calls that are let through whatever the rules say: by a secret in their registers that only their maker knows.</summary>
    internal ImmutableArray<SeccompRule> Exemptions { get; private init; } = [];

    /// <summary>A filter without rules.</summary>
    /// <param name="defaultAction">What is done with every call.</param>
    public static SeccompFilter Of(SeccompAction defaultAction) => new() { DefaultAction = defaultAction };

    /// <summary>Adds a rule for each call, under one set of conditions.</summary>
    /// <param name="action">What is done.</param>
    /// <param name="syscalls">Names, numbers in decimal, or groups of <see cref="SyscallGroup"/> such as <c>@mount</c>.</param>
    /// <exception cref="ArgumentException">No architecture has a call of that name, or there is no such group; or a condition's value has
    /// more bits than the call takes of the argument.</exception>
    public SeccompFilter Add(SeccompAction action, params ReadOnlySpan<string> syscalls) => AddAll(action, syscalls, []);

    /// <summary>Adds a rule for one call, which matches where all conditions hold.</summary>
    /// <param name="action">What is done.</param>
    /// <param name="syscall">A name, number or group.</param>
    /// <param name="conditions">All must hold.</param>
    /// <inheritdoc cref="Add(SeccompAction, ReadOnlySpan{string})" path="/exception"/>
    public SeccompFilter Add(SeccompAction action, string syscall, params ReadOnlySpan<SeccompCondition> conditions) =>
        AddAll(action, [syscall], [.. conditions]);

    /// <summary>Allows calls: <see cref="Add(SeccompAction, ReadOnlySpan{string})"/> with <see cref="SeccompAction.Allow"/>.</summary>
    /// <inheritdoc cref="Add(SeccompAction, ReadOnlySpan{string})"/>
    public SeccompFilter Allow(params ReadOnlySpan<string> syscalls) => AddAll(SeccompAction.Allow, syscalls, []);

    /// <summary>Takes every rule of these calls away.</summary>
    /// <inheritdoc cref="Add(SeccompAction, ReadOnlySpan{string})"/>
    public SeccompFilter Without(params ReadOnlySpan<string> syscalls)
    {
        var names = Expand(syscalls).ToHashSet(StringComparer.Ordinal);
        return new(this) { Rules = [.. Rules.Where(r => !names.Contains(r.Syscall))] };
    }

    /// <summary>Replaces what is done with calls that no rule matches.</summary>
    public SeccompFilter WithDefaultAction(SeccompAction action) => new(this) { DefaultAction = action };

    /// <summary>Replaces the architectures.</summary>
    /// <exception cref="ArgumentException">None is given, or one twice.</exception>
    public SeccompFilter WithArchitectures(params ReadOnlySpan<SeccompArchitecture> architectures)
    {
        ImmutableArray<SeccompArchitecture> list = [.. architectures];
        if (list.IsEmpty || list.Distinct().Count() != list.Length)
            throw new ArgumentException("A filter is for one architecture or several different ones.", nameof(architectures));
        foreach (SeccompArchitecture architecture in list)
            architecture.Audit();
        return list.AsSpan().SequenceEqual(Architectures.AsSpan()) ? this : new(this) { Architectures = list };
    }

    /// <summary>Replaces what is done with calls of other architectures.</summary>
    public SeccompFilter WithForeignArchitectures(SeccompAction action) => new(this) { ForeignArchitectures = action };

    /// <summary>Replaces what is done with calls newer than the table; null treats them as all others.</summary>
    /// <remarks>The filter then knows the whole table: <see cref="NewestSyscalls"/> is null.</remarks>
    public SeccompFilter WithNewerSyscalls(SeccompAction? action) => new(this) { NewerSyscalls = action, NewestSyscalls = null };

    /// <summary>Replaces the flags of loading.</summary>
    public SeccompFilter WithFlags(SeccompFlags flags) => new(this) { Flags = flags };

    /// <summary>The program for the kernel. Filters with the same content share one.</summary>
    /// <exception cref="SeccompLimitException">It would be longer than the kernel takes.</exception>
    public SeccompProgram Compile() => _program ??= SeccompCompiler.Compile(this);

    /// <summary>What the filter does with a call, and why. Computed from the rules, not from the program.</summary>
    /// <param name="syscall">Name or number in decimal, on the first of <see cref="Architectures"/>.</param>
    /// <param name="arguments">Up to six; missing ones are 0.</param>
    /// <exception cref="ArgumentException">The architecture has no such call, or there are more than six arguments.</exception>
    public SeccompVerdict Explain(string syscall, params ReadOnlySpan<ulong> arguments)
    {
        SeccompArchitecture architecture = Architectures[0];
        uint number = new SeccompRule(syscall, default, []).Number(architecture)
            ?? throw new ArgumentException($"{architecture} has no system call \"{syscall}\".{Suggestion(syscall)}", nameof(syscall));
        return Explain(SeccompCall.Of(architecture, number, arguments));
    }

    /// <inheritdoc cref="Explain(string, ReadOnlySpan{ulong})"/>
    public SeccompVerdict Explain(SeccompCall call) => SeccompVerdict.Decide(this, call);

    /// <summary>Whether some calls wait for a notifier.</summary>
    internal bool Notifies => DefaultAction.Kind == SeccompActionKind.UserNotify || NewerSyscalls?.Kind == SeccompActionKind.UserNotify
        || Rules.Any(r => r.Action.Kind == SeccompActionKind.UserNotify);

    /// <summary>The filter with every refusal handed to a notifier, which must refuse by this filter's word. <c>ENOSYS</c> stays:
    /// libraries ask for calls that may be missing.</summary>
    /// <param name="flags">Flags of loading beside the filter's own.</param>
    internal SeccompFilter WithDenialsNotified(SeccompFlags flags = SeccompFlags.None) =>
        _notified is { } known && known.Flags == (Flags | flags) ? known : _notified = new(this, plain: this)
        {
            Flags = Flags | flags,
            DefaultAction = Notified(DefaultAction),
            ForeignArchitectures = Notified(ForeignArchitectures),
            NewerSyscalls = NewerSyscalls is { } newer ? Notified(newer) : null,
            Rules = [.. Rules.Select(r => r with { Action = Notified(r.Action) })],
        };

    /// <summary>The filter with exemptions, always the same ones in a process.</summary>
    internal SeccompFilter WithExemptions(ImmutableArray<SeccompRule> rules) => _exempted ??= new(this) { Exemptions = rules };

    private static SeccompAction Notified(SeccompAction action) =>
        action.Kind is SeccompActionKind.KillProcess or SeccompActionKind.KillThread
            || (action.Kind == SeccompActionKind.Errno && action.Data != (ushort)Errno.ENOSYS) ? SeccompAction.UserNotify : action;

    /// <summary>The rules that decide on a number, those of socketcall(2) and ipc(2) included where they stand for a call.</summary>
    internal IEnumerable<SeccompRule> RulesOf(SeccompArchitecture architecture, uint number) =>
        (_rules[(int)architecture] ??= RulesOf(architecture).ToLookup(r => r.Number, r => r.Rule))[number];

    internal IEnumerable<(uint Number, SeccompRule Rule)> RulesOf(SeccompArchitecture architecture)
    {
        if (_plain is not null)
            return _plain.RulesOf(architecture).Select(r => (r.Number, r.Rule with { Action = Notified(r.Rule.Action) }));
        IEnumerable<(uint, SeccompRule)> rules = Rules.Select(rule => (Number: rule.Number(architecture), Rule: rule))
            .Where(r => r.Number is not null)
            .Select(r => (r.Number!.Value, r.Rule.On(architecture, r.Number.Value)));
        return architecture == SeccompArchitecture.X86 ? rules.Concat(MultiplexedSyscalls.Stand(this)) : rules;
    }

    /// <summary>The number above which an architecture's calls are newer than what the filter knows; null where none is.</summary>
    internal uint? Newest(SeccompArchitecture architecture) =>
        NewestSyscalls is not { } newest ? SyscallTable.For(architecture).Highest
            : newest.TryGetValue(architecture, out uint number) ? number
            : null;

    internal bool IsNewer(SeccompArchitecture architecture, uint number) =>
        Newest(architecture) is { } newest && number > newest && number < architecture.NumbersEnd();

    /// <summary>The filter of a profile, which knows the calls that the profile names; a filter that knows the table if they reach as
    /// far.</summary>
    internal SeccompFilter WithNewerSyscalls(SeccompAction action, ImmutableSortedDictionary<SeccompArchitecture, uint> newest) =>
        Architectures.All(a => newest.TryGetValue(a, out uint number) && number == SyscallTable.For(a).Highest)
            ? WithNewerSyscalls(action)
            : new(this) { NewerSyscalls = action, NewestSyscalls = newest };

    internal SeccompFilter WithRules(IEnumerable<SeccompRule> rules, IEnumerable<string> unknown) =>
        new(this) { Rules = [.. rules], UnknownNames = [.. unknown] };

    /// <summary>The whole content as text, a rule a line; equal filters have equal texts.</summary>
    public override string ToString() => _text ??= Write();

    private SeccompFilter AddAll(SeccompAction action, ReadOnlySpan<string> syscalls, ImmutableArray<SeccompCondition> conditions)
    {
        SeccompRule[] added = [.. Expand(syscalls).Select(name => new SeccompRule(name, action, On(name, conditions))).Distinct()];
        const int Few = 8;
        ImmutableArray<SeccompRule> rules = Rules;
        if (added.Length <= Few)
            return new(this) { Rules = Rules.AddRange(added.Where(r => !rules.Contains(r))) };
        var known = Rules.ToHashSet();
        return new(this) { Rules = Rules.AddRange(added.Where(known.Add)) };
    }

    private static ImmutableArray<SeccompCondition> On(string syscall, ImmutableArray<SeccompCondition> conditions) =>
        conditions.IsEmpty ? [] : [.. conditions.Select(c => c.On(syscall)
            ?? throw new ArgumentException($"Wrong condition: {c.Excess(syscall)}.", nameof(conditions)))];

    private static List<string> Expand(ReadOnlySpan<string> syscalls)
    {
        var names = new List<string>();
        foreach (string syscall in syscalls)
        {
            ArgumentException.ThrowIfNullOrEmpty(syscall, nameof(syscalls));
            if (syscall[0] == '@')
                names.AddRange(SyscallGroup.Named(syscall).Syscalls);
            else if (SyscallTable.IsKnown(syscall) || uint.TryParse(syscall, NumberStyles.None, CultureInfo.InvariantCulture, out _))
                names.Add(syscall);
            else
                throw new ArgumentException($"\"{syscall}\" is no system call of Linux {SyscallTable.Version}.{Suggestion(syscall)}",
                    nameof(syscalls));
        }

        return names;
    }

    private static string Suggestion(string name) => SyscallTable.Nearest(name) is { } near && near != name ? $" Is \"{near}\" meant?" : "";

    private string Write()
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"default: {DefaultAction}\n")
            .Append(CultureInfo.InvariantCulture, $"architectures: {string.Join(", ", Architectures)}; others: {ForeignArchitectures}\n");
        if (NewerSyscalls is { } newer && WriteNewest() is { Length: > 0 } newest)
            text.Append(CultureInfo.InvariantCulture, $"newer than {newest}: {newer}\n");
        if (Flags != SeccompFlags.None)
            text.Append(CultureInfo.InvariantCulture, $"flags: {Flags}\n");
        if (_plain is not null)
            text.Append("denials notified of: ").Append(_plain);
        foreach (SeccompRule exemption in Exemptions)
            text.Append("first: ").Append(exemption).Append('\n');
        foreach (string line in Rules.Select(r => r.ToString()).Order(StringComparer.Ordinal))
            text.Append(line).Append('\n');
        return text.ToString();
    }

    private string WriteNewest() => NewestSyscalls is null ? $"Linux {SyscallTable.Version}"
        : string.Join(", ", Architectures.Where(a => Newest(a) is not null)
            .Select(a => $"{SyscallTable.For(a).Text(Newest(a)!.Value)} of {a}"));
}
