using System.Buffers.Binary;
using System.Collections.Immutable;

namespace Isolation.Net.Nftables;

/// <summary>Bytes as nf_tables keeps them in a register: a value that is compared, looked up or set.</summary>
public readonly struct NftData : IEquatable<NftData>
{
    private readonly ImmutableArray<byte> _bytes;

    /// <summary>Initialises data.</summary>
    public NftData(ReadOnlySpan<byte> bytes) => _bytes = [.. bytes];

    /// <summary>The bytes.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes.IsDefault ? [] : _bytes.AsSpan();

    /// <summary>How many bytes.</summary>
    public int Length => _bytes.IsDefault ? 0 : _bytes.Length;

    internal static NftData Host(uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        return new NftData(bytes);
    }

    internal static NftData Network(ulong value, int length)
    {
        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, value);
        return new NftData(bytes[(8 - length)..]);
    }

    internal ulong ToNetworkNumber()
    {
        ulong value = 0;
        foreach (byte part in Bytes)
            value = value << 8 | part;
        return value;
    }

    internal uint ToHostNumber() => Length >= 4 ? BinaryPrimitives.ReadUInt32LittleEndian(Bytes) : 0;

    internal bool IsZero => !Bytes.ContainsAnyExcept((byte)0);

    /// <summary>The next higher value of the same length; null after the highest.</summary>
    internal NftData? Next()
    {
        byte[] bytes = Bytes.ToArray();
        for (int i = bytes.Length - 1; i >= 0; i--)
        {
            if (++bytes[i] != 0)
                return new NftData(bytes);
        }

        return null;
    }

    /// <summary>The next lower value of the same length.</summary>
    internal NftData Previous()
    {
        byte[] bytes = Bytes.ToArray();
        for (int i = bytes.Length - 1; i >= 0; i--)
        {
            if (bytes[i]-- != 0)
                break;
        }

        return new NftData(bytes);
    }

    /// <inheritdoc/>
    public bool Equals(NftData other) => Bytes.SequenceEqual(other.Bytes);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is NftData other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.AddBytes(Bytes);
        return hash.ToHashCode();
    }

    /// <summary>The bytes in hexadecimal.</summary>
    public override string ToString() => "0x" + Convert.ToHexStringLower(Bytes);

    /// <summary>Compares.</summary>
    public static bool operator ==(NftData left, NftData right) => left.Equals(right);

    /// <summary>Compares.</summary>
    public static bool operator !=(NftData left, NftData right) => !left.Equals(right);
}
