using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Isolation.Security;

/// <summary>A compiled filter: classic BPF over <c>struct seccomp_data</c>, as the kernel loads it. Prints itself as a listing.</summary>
/// <param name="Instructions">At most 4096.</param>
public sealed record SeccompProgram(ImmutableArray<BpfInstruction> Instructions)
{
    /// <summary>Reads a program from its bytes: an array of <c>struct sock_filter</c>, little-endian.</summary>
    /// <exception cref="FormatException">The length is no multiple of 8 or is out of range, or an instruction is
    /// none that a filter may have.</exception>
    public static SeccompProgram FromBytes(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length % 8 != 0 || bytes.Length is 0 or > SeccompLimitException.Maximum * 8)
            throw new FormatException(
                $"A filter is 1 to {SeccompLimitException.Maximum} instructions of 8 bytes; there are {bytes.Length} bytes.");
        var instructions = new BpfInstruction[bytes.Length / 8];
        for (int i = 0; i < instructions.Length; i++)
        {
            ReadOnlySpan<byte> at = bytes.Slice(i * 8, 8);
            instructions[i] = new(BinaryPrimitives.ReadUInt16LittleEndian(at), at[2], at[3],
                BinaryPrimitives.ReadUInt32LittleEndian(at[4..]));
        }

        SeccompInterpreter.Check(instructions);
        return new([.. instructions]);
    }

    /// <summary>The program as the kernel takes it: an array of <c>struct sock_filter</c>.</summary>
    public byte[] ToBytes()
    {
        var bytes = new byte[Instructions.Length * 8];
        for (int i = 0; i < Instructions.Length; i++)
        {
            Span<byte> at = bytes.AsSpan(i * 8, 8);
            BinaryPrimitives.WriteUInt16LittleEndian(at, Instructions[i].Code);
            at[2] = Instructions[i].IfTrue;
            at[3] = Instructions[i].IfFalse;
            BinaryPrimitives.WriteUInt32LittleEndian(at[4..], Instructions[i].Operand);
        }

        return bytes;
    }

    /// <summary>Runs the program on a call, here.</summary>
    public SeccompAction Evaluate(SeccompCall call) => Evaluate(call, out _);

    /// <summary>Runs the program on a call, here, and counts the instructions.</summary>
    public SeccompAction Evaluate(SeccompCall call, out int executed)
    {
        ArgumentNullException.ThrowIfNull(call);
        return SeccompInterpreter.Run(Instructions.AsSpan(), call, out executed);
    }

    /// <inheritdoc/>
    public bool Equals(SeccompProgram? other) => other is not null && Instructions.AsSpan().SequenceEqual(other.Instructions.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => Instructions.Length;

    /// <summary>A listing: a line an instruction, with its place, and jumps by the place that they go to.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        for (int i = 0; i < Instructions.Length; i++)
            text.Append(CultureInfo.InvariantCulture, $"{i,4}: {Text(Instructions[i], i)}\n");
        return text.ToString();
    }

    private static string Text(BpfInstruction instruction, int place)
    {
        string Both(string sign) => string.Create(CultureInfo.InvariantCulture,
            $"if A {sign} 0x{instruction.Operand:x} goto {place + 1 + instruction.IfTrue} else {place + 1 + instruction.IfFalse}");
        return instruction.Code switch
        {
            BpfInstruction.LoadWord => "A = " + Field(instruction.Operand),
            BpfInstruction.And => string.Create(CultureInfo.InvariantCulture, $"A &= 0x{instruction.Operand:x}"),
            BpfInstruction.Jump => string.Create(CultureInfo.InvariantCulture, $"goto {place + 1 + instruction.Operand}"),
            BpfInstruction.JumpIfEqual => Both("=="),
            BpfInstruction.JumpIfGreater => Both(">"),
            BpfInstruction.JumpIfGreaterOrEqual => Both(">="),
            BpfInstruction.JumpIfSet => Both("&"),
            BpfInstruction.Return => "return " + SeccompAction.FromValue(instruction.Operand),
            _ => string.Create(CultureInfo.InvariantCulture,
                $"operation 0x{instruction.Code:x} {instruction.Operand}, {instruction.IfTrue}, {instruction.IfFalse}"),
        };
    }

    private static string Field(uint offset) => offset switch
    {
        0 => "number",
        4 => "architecture",
        8 => "instruction pointer, low half",
        12 => "instruction pointer, high half",
        < 64 => string.Create(CultureInfo.InvariantCulture, $"arg{(offset - 16) / 8}, {(offset % 8 == 0 ? "low" : "high")} half"),
        _ => string.Create(CultureInfo.InvariantCulture, $"[{offset}]"),
    };
}
