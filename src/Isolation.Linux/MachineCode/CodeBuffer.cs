using System.Buffers.Binary;

namespace Isolation.Linux.MachineCode;

/// <summary>A place in machine code that branches may name before it is reached.</summary>
internal sealed class Label
{
    internal int Offset { get; set; } = -1;
}

/// <summary>Bytes of machine code with branches to be patched once their labels are placed.</summary>
internal sealed class CodeBuffer
{
    private readonly List<byte> _bytes = [];
    private readonly List<(int At, Label Target, Action<CodeBuffer, int, int> Patch)> _branches = [];

    internal int Offset => _bytes.Count;

    internal void Byte(byte value) => _bytes.Add(value);

    internal void Bytes(params ReadOnlySpan<byte> values) => _bytes.AddRange(values);

    internal void Int32(int value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        _bytes.AddRange(bytes);
    }

    internal void Int64(long value)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        _bytes.AddRange(bytes);
    }

    internal int ReadInt32(int at) => _bytes[at] | _bytes[at + 1] << 8 | _bytes[at + 2] << 16 | _bytes[at + 3] << 24;

    internal void WriteInt32(int at, int value)
    {
        for (int i = 0; i < 4; i++)
            _bytes[at + i] = (byte)(value >> (i * 8));
    }

    internal void Place(Label label) => label.Offset = Offset;

    /// <summary>Notes a branch whose bytes at <paramref name="at"/> get patched with its target's offset.</summary>
    internal void Branch(int at, Label target, Action<CodeBuffer, int, int> patch) => _branches.Add((at, target, patch));

    internal byte[] ToArray()
    {
        foreach ((int at, Label target, Action<CodeBuffer, int, int> patch) in _branches)
        {
            if (target.Offset < 0)
                throw new InvalidOperationException("A branch names a label that was never placed.");
            patch(this, at, target.Offset);
        }

        _branches.Clear();
        return [.. _bytes];
    }
}
