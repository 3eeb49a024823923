namespace Isolation.Security;

/// <summary>An instruction of classic BPF: <c>struct sock_filter</c>, 8 bytes.</summary>
/// <param name="Code">The operation.</param>
/// <param name="IfTrue">How many instructions a conditional jump skips if its condition holds.</param>
/// <param name="IfFalse">How many it skips if not.</param>
/// <param name="Operand">The constant.</param>
public readonly record struct BpfInstruction(ushort Code, byte IfTrue, byte IfFalse, uint Operand)
{
    // linux/bpf_common.h: class, size and mode, or class, operation and source.
    internal const ushort LoadWord = 0x20, And = 0x54, Jump = 0x05, JumpIfEqual = 0x15, JumpIfGreater = 0x25, JumpIfGreaterOrEqual = 0x35,
        JumpIfSet = 0x45, Return = 0x06;
}
