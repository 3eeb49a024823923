using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.MachineCode;

/// <summary>A static ELF executable made of the stub and one program, to be run from a sealed memfd.</summary>
/// <remarks>Its process shares nothing with this one: neither its memory nor the file behind /proc/self/exe. Code and data
/// are two segments, so no page is both writable and executable.</remarks>
internal static class SealedImage
{
    // 64 KiB apart: the largest page size of arm64.
    internal const int PageSize = 0x10000;
    internal const long CodeAddress = 0x400000;
    internal const long DataAddress = 0x800000;

    private const int HeaderSize = 64, ProgramHeaderSize = 56, ProgramHeaders = 3;
    private const int CodeOffset = HeaderSize + (ProgramHeaderSize * ProgramHeaders);

    /// <summary>The bytes from the start of the file to the end of the code; the data follows at <see cref="PageSize"/>.</summary>
    internal static byte[] Header(Architecture architecture, Stub stub, int dataSize)
    {
        byte[] entry = Stub.ProcessEntry(architecture, DataAddress, CodeAddress + CodeOffset + stub.EntryOffset,
            CodeAddress + CodeOffset + stub.Code.Length);
        byte[] file = new byte[CodeOffset + stub.Code.Length + entry.Length];
        stub.Code.CopyTo(file, CodeOffset);
        entry.CopyTo(file, CodeOffset + stub.Code.Length);
        WriteElfHeader(file, architecture, CodeAddress + CodeOffset + stub.Code.Length);
        WriteProgramHeader(file, 0, type: 1, flags: 5, offset: 0, CodeAddress, file.Length);               // PT_LOAD, R-X
        WriteProgramHeader(file, 1, type: 1, flags: 6, offset: PageSize, DataAddress, dataSize);           // PT_LOAD, RW-
        WriteProgramHeader(file, 2, type: 0x6474e551, flags: 6, offset: 0, address: 0, size: 0);           // PT_GNU_STACK, RW-
        return file;
    }

    /// <summary>Copies a loaded program's memory for the address that it will have in the image, ready to run a section.</summary>
    internal static void CopyData(Span<byte> data, ProgramMemory memory, SyscallProgram program, int first, int end, int reportDescriptor)
    {
        memory.Bytes.CopyTo(data);
        data[..InterpreterLayout.Steps].Clear(); // what an earlier launch left in the context
        BinaryPrimitives.WriteUInt64LittleEndian(data[InterpreterLayout.FullMask..], ulong.MaxValue);
        Rebase(data, program, first, end, reportDescriptor, memory.BaseAddress, DataAddress);
    }

    /// <summary>Moves every address in a program's image from one base to another, and selects the steps to run.</summary>
    internal static void Rebase(Span<byte> data, SyscallProgram program, int first, int end, int reportDescriptor, long from, long to)
    {
        foreach (int offset in program.Relocations)
        {
            Span<byte> word = data.Slice(offset, 8);
            BinaryPrimitives.WriteInt64LittleEndian(word, BinaryPrimitives.ReadInt64LittleEndian(word) + (to - from));
        }

        BinaryPrimitives.WriteInt64LittleEndian(data[InterpreterLayout.FirstStep..], to + SyscallProgram.StepOffset(first));
        BinaryPrimitives.WriteInt64LittleEndian(data[InterpreterLayout.EndOfSteps..], to + SyscallProgram.StepOffset(end));
        BinaryPrimitives.WriteInt64LittleEndian(data[InterpreterLayout.ReportDescriptor..], reportDescriptor);
        BinaryPrimitives.WriteInt32LittleEndian(data[InterpreterLayout.FailedStep..], -1);
    }

    /// <summary>Writes the image to a new memfd and seals it.</summary>
    /// <exception cref="LinuxException">memfd_create(2), the write or the seal was refused.</exception>
    internal static LinuxHandle Create(byte[] header, ReadOnlySpan<byte> data)
    {
        SyscallResult created = MemoryFile.Create("isolation");
        created.ThrowIfError("create", "the sealed launch image", "memfd_create(2)", created.Errno == Errno.EACCES
            ? "vm.memfd_noexec is 2, so that no file in memory can be executed. Set it to 1 or 0, also for the PID namespace above."
            : null);
        var file = new LinuxHandle((int)created.Value);
        bool written = MemoryFile.Write(file, 0, header) && MemoryFile.Write(file, PageSize, data);
        SyscallResult sealing = written ? MemoryFile.Seal(file) : new SyscallResult(-(long)Errno.ENOSPC);
        if (!sealing.IsError)
            return file;
        file.Dispose();
        throw new LinuxException(written ? "seal" : "write", "the sealed launch image",
            written ? "fcntl(2)" : "pwrite64(2)", sealing.Errno);
    }

    private static void WriteElfHeader(Span<byte> file, Architecture architecture, long entry)
    {
        ((ReadOnlySpan<byte>)[0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1]).CopyTo(file); // 64-bit, little-endian, version 1
        Write16(file, 16, 2); // ET_EXEC
        Write16(file, 18, architecture == Architecture.Arm64 ? (ushort)183 : (ushort)62); // EM_AARCH64, EM_X86_64
        BinaryPrimitives.WriteInt32LittleEndian(file[20..], 1);
        BinaryPrimitives.WriteInt64LittleEndian(file[24..], entry);
        BinaryPrimitives.WriteInt64LittleEndian(file[32..], HeaderSize); // program headers follow
        Write16(file, 52, HeaderSize);
        Write16(file, 54, ProgramHeaderSize);
        Write16(file, 56, ProgramHeaders);
    }

    private static void WriteProgramHeader(Span<byte> file, int index, uint type, uint flags, long offset, long address, long size)
    {
        Span<byte> header = file[(HeaderSize + (index * ProgramHeaderSize))..];
        BinaryPrimitives.WriteUInt32LittleEndian(header, type);
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], flags);
        BinaryPrimitives.WriteInt64LittleEndian(header[8..], offset);
        BinaryPrimitives.WriteInt64LittleEndian(header[16..], address);
        BinaryPrimitives.WriteInt64LittleEndian(header[24..], address);
        BinaryPrimitives.WriteInt64LittleEndian(header[32..], size);
        BinaryPrimitives.WriteInt64LittleEndian(header[40..], size);
        BinaryPrimitives.WriteInt64LittleEndian(header[48..], type == 1 ? PageSize : 16);
    }

    private static void Write16(Span<byte> file, int offset, ushort value) =>
        BinaryPrimitives.WriteUInt16LittleEndian(file[offset..], value);
}
