using System.Collections.Immutable;

namespace Isolation.Security;

/// <summary>A system call as a filter sees it: <c>struct seccomp_data</c>.</summary>
/// <param name="Audit">The kernel's word for the architecture: an <c>AUDIT_ARCH_*</c>.</param>
/// <param name="Number">The call's number; x32's have bit 30 set.</param>
/// <param name="Arguments">Six words.</param>
/// <param name="InstructionPointer">Where the call was made.</param>
public sealed record SeccompCall(uint Audit, uint Number, ImmutableArray<ulong> Arguments, ulong InstructionPointer = 0)
{
    /// <summary>The architecture; null for one that is not known here.</summary>
    public SeccompArchitecture? Architecture => SeccompArchitectures.Of(Audit, Number);

    /// <summary>The call's name; null where the table has none.</summary>
    public string? Name => Architecture is { } architecture ? SyscallTable.For(architecture).Name(Number) : null;

    /// <summary>A call of an architecture.</summary>
    /// <param name="architecture">Whose.</param>
    /// <param name="number">Its number.</param>
    /// <param name="arguments">Up to six; missing ones are 0. Where the architecture has 32 bits, their low halves.</param>
    /// <exception cref="ArgumentException">More than six arguments.</exception>
    public static SeccompCall Of(SeccompArchitecture architecture, uint number, params ReadOnlySpan<ulong> arguments)
    {
        if (arguments.Length > 6)
            throw new ArgumentException("A system call takes at most six arguments.", nameof(arguments));
        var words = new ulong[6];
        arguments.CopyTo(words);
        if (architecture.HasShortArguments())
        {
            for (int i = 0; i < words.Length; i++)
                words[i] = (uint)words[i];
        }

        return new(architecture.Audit(), number, [.. words]);
    }

    /// <summary>The call as strace(1) would begin to print it: <c>ioctl(0, 0x5412, 0x7ffd0)</c>.</summary>
    public override string ToString()
    {
        string name = Name ?? System.FormattableString.Invariant($"system call {Number}");
        string foreign = Architecture is { } a && a != SeccompArchitectures.Native ? $" of {a}"
            : Architecture is null ? System.FormattableString.Invariant($" of architecture 0x{Audit:x}")
            : "";
        return $"{name}({string.Join(", ", Arguments.Select(Shown))}){foreign}";

        static string Shown(ulong argument) =>
            argument < 4096 ? System.FormattableString.Invariant($"{argument}") : System.FormattableString.Invariant($"0x{argument:x}");
    }
}
