using System.Buffers.Binary;
using System.Net;
using System.Text;
using Isolation.Linux.Abi;

namespace Isolation.Net.Netlink;

/// <summary>Reads the attributes of a netlink message, one after the other. Every length is checked.</summary>
/// <example><code>
/// string? name = null;
/// var attributes = new AttributeReader(payload);
/// while (attributes.MoveNext())
/// {
///     if (attributes.Type == 3) // IFLA_IFNAME
///         name = attributes.Text;
/// }
/// </code></example>
public ref struct AttributeReader
{
    private const int HeaderLength = 4;
    private ReadOnlySpan<byte> _rest;

    /// <summary>Initialises a reader over attributes: what follows a message's fixed header, or the value of a nested attribute.</summary>
    public AttributeReader(ReadOnlySpan<byte> attributes) => _rest = attributes;

    /// <summary>The attribute's number, without its flags.</summary>
    public ushort Type { get; private set; }

    /// <summary>The whole attribute, with its header and flags, as it lies.</summary>
    internal ReadOnlySpan<byte> Raw { get; private set; }

    /// <summary>The attribute's value.</summary>
    public ReadOnlySpan<byte> Value { get; private set; }

    /// <summary>Goes to the next attribute; false at the end.</summary>
    /// <exception cref="NetlinkException"><c>EBADMSG</c>: a length is too small or goes past the end.</exception>
    public bool MoveNext()
    {
        if (_rest.IsEmpty)
            return false;
        if (_rest.Length < HeaderLength)
            throw NetlinkException.Malformed($"An attribute has a header of {_rest.Length} bytes.");
        int length = BinaryPrimitives.ReadUInt16LittleEndian(_rest);
        if (length < HeaderLength || length > _rest.Length)
            throw NetlinkException.Malformed($"An attribute says that it has {length} bytes, of {_rest.Length}.");
        Type = (ushort)(BinaryPrimitives.ReadUInt16LittleEndian(_rest[2..]) & NetlinkAbi.NLA_TYPE_MASK);
        Raw = _rest[..length];
        Value = Raw[HeaderLength..];
        _rest = _rest[Math.Min(NetlinkWriter.Align(length), _rest.Length)..];
        return true;
    }

    /// <summary>The value as text, without the ending NUL.</summary>
    public readonly string Text
    {
        get
        {
            int end = Value.IndexOf((byte)0);
            return Encoding.UTF8.GetString(end < 0 ? Value : Value[..end]);
        }
    }

    /// <summary>The value as an unsigned byte.</summary>
    public readonly byte Byte => Sized(1)[0];

    /// <summary>The value as a 16-bit number in the machine's order.</summary>
    public readonly ushort UInt16 => BinaryPrimitives.ReadUInt16LittleEndian(Sized(2));

    /// <summary>The value as a 32-bit number in the machine's order.</summary>
    public readonly uint UInt32 => BinaryPrimitives.ReadUInt32LittleEndian(Sized(4));

    /// <summary>The value as a signed 32-bit number in the machine's order.</summary>
    public readonly int Int32 => BinaryPrimitives.ReadInt32LittleEndian(Sized(4));

    /// <summary>The value as a 64-bit number in the machine's order.</summary>
    public readonly ulong UInt64 => BinaryPrimitives.ReadUInt64LittleEndian(Sized(8));

    /// <summary>The value as a 16-bit number in network order.</summary>
    public readonly ushort BigEndianUInt16 => BinaryPrimitives.ReadUInt16BigEndian(Sized(2));

    /// <summary>The value as a 32-bit number in network order.</summary>
    public readonly uint BigEndianUInt32 => BinaryPrimitives.ReadUInt32BigEndian(Sized(4));

    /// <summary>The value as a 64-bit number in network order.</summary>
    public readonly ulong BigEndianUInt64 => BinaryPrimitives.ReadUInt64BigEndian(Sized(8));

    /// <summary>The value as a time in milliseconds, a 64-bit number in network order; the longest time for one that is longer.</summary>
    internal readonly TimeSpan BigEndianMilliseconds => TimeSpan.FromTicks(
        (long)Math.Min(BigEndianUInt64, (ulong)(long.MaxValue / TimeSpan.TicksPerMillisecond)) * TimeSpan.TicksPerMillisecond);

    /// <summary>The value as an IP address, of 4 or 16 bytes.</summary>
    public readonly IPAddress IPAddress => Value.Length is 4 or 16 ? new IPAddress(Value) : throw WrongLength("4 or 16");

    /// <summary>A reader over the attributes nested in the value.</summary>
    public readonly AttributeReader Nested => new(Value);

    /// <summary>The first bytes of the value, as a fixed struct.</summary>
    internal readonly ReadOnlySpan<byte> Struct(int length) => Sized(length);

    private readonly ReadOnlySpan<byte> Sized(int length) => Value.Length >= length
        ? Value[..length]
        : throw WrongLength($"at least {length}");

    private readonly NetlinkException WrongLength(string wanted) =>
        NetlinkException.Malformed($"Attribute {Type} has {Value.Length} bytes, and should have {wanted}.");
}
