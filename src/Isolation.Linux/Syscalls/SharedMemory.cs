using System.Text;
using Isolation.Linux.Abi;

namespace Isolation.Linux.Syscalls;

/// <summary>Zeroed memory that this process shares with others by a descriptor: memfd_create(2), mmap(2).
/// Lasts as long as this process.</summary>
internal sealed unsafe class SharedMemory
{
    private readonly byte* _address;

    internal SharedMemory(string name, int size)
    {
        SyscallResult created = MemoryFile.Create(name, executable: false);
        created.ThrowIfError("create", "shared memory", "memfd_create(2)");
        Handle = new LinuxHandle((int)created.Value);
        Size = size;
        RawSyscall.Invoke(Syscall.ftruncate, Handle, (nuint)size).ThrowIfError("size", "shared memory", "ftruncate(2)");
        using Borrow file = new(Handle);
        SyscallResult mapped = RawSyscall.Invoke(Syscall.mmap, 0, (nuint)size, Mman.PROT_READ | Mman.PROT_WRITE,
            Mman.MAP_SHARED, file.Word, 0);
        mapped.ThrowIfError("map", "shared memory", "mmap(2)");
        _address = (byte*)mapped.Value;
    }

    internal LinuxHandle Handle { get; }

    internal int Size { get; }

    /// <summary>Writes NUL-ended text into a field.</summary>
    internal void WriteText(int offset, int fieldSize, string text)
    {
        var field = new Span<byte>(_address + offset, fieldSize);
        if (Encoding.UTF8.GetByteCount(text) >= fieldSize)
            throw new ArgumentException($"\"{text}\" is too long.", nameof(text));
        // The first byte last: an unfinished text is an empty one.
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        field[0] = 0;
        field[1..].Clear();
        if (bytes.Length > 0)
        {
            bytes.AsSpan(1).CopyTo(field[1..]);
            Volatile.Write(ref field[0], bytes[0]);
        }
    }
}
