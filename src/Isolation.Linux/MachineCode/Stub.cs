using System.Runtime.InteropServices;

namespace Isolation.Linux.MachineCode;

/// <summary>The machine code that clones and interprets a program in the child: position independent, no libc, no stack.</summary>
/// <param name="Code">The bytes.</param>
/// <param name="LaunchOffset">The function <c>long launch(context*)</c>: returns the child's id or a negative errno.</param>
/// <param name="EntryOffset">The entry of a process whose context register is set already: interprets, never returns.</param>
internal sealed record Stub(byte[] Code, int LaunchOffset, int EntryOffset)
{
    internal static Stub For(Architecture architecture, bool forImage = false) => architecture switch
    {
        Architecture.X64 => X64Stub.Emit(forImage),
        Architecture.Arm64 => Arm64Stub.Emit(forImage),
        _ => throw new PlatformNotSupportedException($"Isolation supports x86-64 and arm64, not {architecture}."),
    };

    /// <summary>A few instructions that load the context's address and jump to the entry, for a static executable.</summary>
    internal static byte[] ProcessEntry(Architecture architecture, long context, long entry, long here) => architecture switch
    {
        Architecture.X64 => X64Stub.EmitProcessEntry(context, entry, here),
        _ => Arm64Stub.EmitProcessEntry(context, entry, here),
    };
}
