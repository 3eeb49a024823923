using System.Buffers.Binary;
using System.Net;
using System.Text;
using Isolation.Linux;
using Isolation.Linux.Abi;

namespace Isolation.Net.Netlink;

/// <summary>Writes netlink messages, one after the other, into memory that it keeps: once grown, it allocates nothing.</summary>
/// <remarks>Pads, and fills in lengths. A value that the 16-bit length of an attribute cannot hold is refused, never cut.</remarks>
/// <example><code>
/// const ushort RTM_NEWLINK = 16, NLM_F_CREATE = 0x400, IFLA_IFNAME = 3, IFLA_LINKINFO = 18, IFLA_INFO_KIND = 1;
/// var writer = new NetlinkWriter();
/// writer.Begin(RTM_NEWLINK, NLM_F_CREATE, new byte[16]);
/// writer.PutText(IFLA_IFNAME, "dummy0");
/// using (writer.Nested(IFLA_LINKINFO))
///     writer.PutText(IFLA_INFO_KIND, "dummy");
/// writer.End();
/// </code></example>
public sealed class NetlinkWriter
{
    internal const int HeaderLength = 16, SequenceOffset = 8;
    private const int AttributeHeaderLength = 4;

    private byte[] _buffer = new byte[4096];
    private int _length, _message = -1;
    private HeldHandles? _held;

    /// <summary>The messages written so far.</summary>
    public ReadOnlySpan<byte> Written => _buffer.AsSpan(0, _length);

    /// <summary>How many messages are there.</summary>
    public int Count { get; private set; }

    /// <summary>Forgets all messages; the memory is kept.</summary>
    public void Clear()
    {
        (_length, _message, Count) = (0, -1, 0);
        _held?.Dispose();
    }

    /// <summary>Makes room for so many bytes in all.</summary>
    public void EnsureCapacity(int bytes)
    {
        if (bytes > _buffer.Length)
            Array.Resize(ref _buffer, bytes);
    }

    /// <summary>Begins a message.</summary>
    /// <param name="type">Its type: <c>RTM_NEWLINK</c>.</param>
    /// <param name="flags">Flags beyond <c>NLM_F_REQUEST</c> and <c>NLM_F_ACK</c>, which the socket adds.</param>
    /// <param name="header">The fixed struct of its family: <c>struct ifinfomsg</c>.</param>
    /// <exception cref="InvalidOperationException">The message before is not ended.</exception>
    public void Begin(ushort type, ushort flags, ReadOnlySpan<byte> header)
    {
        if (_message >= 0)
            throw new InvalidOperationException("The message before is not ended.");
        _message = _length;
        Span<byte> message = Reserve(HeaderLength);
        BinaryPrimitives.WriteUInt16LittleEndian(message[4..], type);
        BinaryPrimitives.WriteUInt16LittleEndian(message[6..], flags);
        header.CopyTo(Reserve(Align(header.Length)));
    }

    /// <summary>Begins a message of netfilter: of nf_tables, or about tracked connections.</summary>
    internal void BeginNetfilter(ushort subsystem, ushort type, ushort flags, byte family)
    {
        // struct nfgenmsg { u8 family, version; be16 res_id; }
        Span<byte> header = [family, 0, 0, 0];
        Begin((ushort)(subsystem << 8 | type), flags, header);
    }

    /// <summary>Ends the message.</summary>
    /// <exception cref="InvalidOperationException">No message was begun.</exception>
    public void End()
    {
        if (_message < 0)
            throw new InvalidOperationException("No message was begun.");
        BinaryPrimitives.WriteInt32LittleEndian(_buffer.AsSpan(_message), _length - _message);
        _message = -1;
        Count++;
    }

    /// <summary>Drops the message that was begun: what could not be written to its end is not sent.</summary>
    internal void Abandon()
    {
        if (_message >= 0)
            (_length, _message) = (_message, -1);
    }

    /// <summary>Puts an attribute with these bytes.</summary>
    /// <exception cref="ArgumentException">There are too many of them for an attribute.</exception>
    public void Put(ushort type, ReadOnlySpan<byte> value) => value.CopyTo(Attribute(type, value.Length));

    /// <summary>Puts attributes as they were read.</summary>
    internal void Put(KeptAttributes kept) => kept.Bytes.CopyTo(Reserve(kept.Bytes.Length));

    /// <summary>Puts an attribute without a value.</summary>
    public void PutFlag(ushort type) => Attribute(type, 0);

    /// <summary>Puts a byte.</summary>
    public void PutByte(ushort type, byte value) => Attribute(type, 1)[0] = value;

    /// <summary>Puts a 16-bit number in the machine's order.</summary>
    public void PutUInt16(ushort type, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(Attribute(type, 2), value);

    /// <summary>Puts a 32-bit number in the machine's order.</summary>
    public void PutUInt32(ushort type, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Attribute(type, 4), value);

    /// <summary>Puts a signed 32-bit number in the machine's order.</summary>
    public void PutInt32(ushort type, int value) => BinaryPrimitives.WriteInt32LittleEndian(Attribute(type, 4), value);

    /// <summary>Puts the number of a descriptor, which stays open until the messages are cleared.</summary>
    /// <exception cref="ObjectDisposedException">The handle is closed.</exception>
    public void PutDescriptor(ushort type, LinuxHandle handle)
    {
        ArgumentNullException.ThrowIfNull(handle);
        PutInt32(type, (_held ??= new HeldHandles()).Hold(handle));
    }

    /// <summary>Puts a 64-bit number in the machine's order.</summary>
    public void PutUInt64(ushort type, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Attribute(type, 8), value);

    /// <summary>Puts a 16-bit number in network order.</summary>
    public void PutBigEndianUInt16(ushort type, ushort value) => BinaryPrimitives.WriteUInt16BigEndian(Attribute(type, 2), value);

    /// <summary>Puts a 32-bit number in network order.</summary>
    public void PutBigEndianUInt32(ushort type, uint value) => BinaryPrimitives.WriteUInt32BigEndian(Attribute(type, 4), value);

    /// <summary>Puts a 64-bit number in network order.</summary>
    public void PutBigEndianUInt64(ushort type, ulong value) => BinaryPrimitives.WriteUInt64BigEndian(Attribute(type, 8), value);

    /// <summary>Puts text, ended by a NUL.</summary>
    /// <exception cref="ArgumentException">The text contains a NUL, or is too long for an attribute.</exception>
    public void PutText(ushort type, string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.Contains('\0', StringComparison.Ordinal))
            throw new ArgumentException($"\"{text.Replace("\0", "\\0", StringComparison.Ordinal)}\" contains a NUL character.",
                nameof(text));
        Span<byte> value = Attribute(type, Encoding.UTF8.GetByteCount(text) + 1);
        Encoding.UTF8.GetBytes(text, value);
        value[^1] = 0;
    }

    /// <summary>Puts text for which the kernel has so much room.</summary>
    /// <param name="type">The attribute.</param>
    /// <param name="text">The text.</param>
    /// <param name="mostBytes">How many bytes of UTF-8 it may have, without the NUL.</param>
    /// <param name="noun">What it is, for the text of the refusal.</param>
    /// <param name="endsWithNul">Whether a NUL follows.</param>
    internal void PutText(ushort type, string text, int mostBytes, string noun, bool endsWithNul = true)
    {
        ArgumentNullException.ThrowIfNull(text);
        int length = Encoding.UTF8.GetByteCount(text);
        if (length > mostBytes)
            throw new ArgumentException(string.Create(System.Globalization.CultureInfo.InvariantCulture,
                $"{noun} \"{text}\" has {length} bytes; at most {mostBytes} are possible."), nameof(text));
        if (endsWithNul)
            PutText(type, text);
        else
            Put(type, Encoding.UTF8.GetBytes(text));
    }

    /// <summary>Puts an IP address: 4 or 16 bytes.</summary>
    public void PutAddress(ushort type, IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        address.TryWriteBytes(Attribute(type, LengthOf(address)), out _);
    }

    /// <summary>Begins an attribute that holds attributes; disposing what is returned ends it.</summary>
    /// <param name="type">The attribute's number; <c>NLA_F_NESTED</c> is added.</param>
    public NestedAttribute Nested(ushort type) => Nested(type, []);

    /// <summary>Begins an attribute that holds a fixed struct and then attributes.</summary>
    public NestedAttribute Nested(ushort type, ReadOnlySpan<byte> header)
    {
        int start = _length;
        Span<byte> attribute = Reserve(AttributeHeaderLength);
        BinaryPrimitives.WriteUInt16LittleEndian(attribute[2..], (ushort)(type | NetlinkAbi.NLA_F_NESTED));
        header.CopyTo(Reserve(Align(header.Length)));
        return new NestedAttribute(this, start);
    }

    internal static int Align(int length) => (length + 3) & ~3;

    internal static int LengthOf(IPAddress address) => address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork ? 4 : 16;

    /// <summary>The memory of the messages, for what is only known when they are sent.</summary>
    internal Span<byte> Raw => _buffer.AsSpan(0, _length);

    /// <summary>Adds room for a value of a list that has no attribute headers: the struct of a multipath route.</summary>
    internal int Mark(ReadOnlySpan<byte> header)
    {
        int start = _length;
        header.CopyTo(Reserve(Align(header.Length)));
        return start;
    }

    /// <summary>Fills in the 16-bit length that begins at a mark.</summary>
    internal void EndMark(int start) => PatchLength(start);

    internal void EndNested(int start) => PatchLength(start);

    private void PatchLength(int start)
    {
        int length = _length - start;
        if (length > ushort.MaxValue)
            throw new ArgumentException($"A netlink attribute may have {ushort.MaxValue} bytes; this one would have {length}.");
        BinaryPrimitives.WriteUInt16LittleEndian(_buffer.AsSpan(start), (ushort)length);
    }

    private Span<byte> Attribute(ushort type, int length)
    {
        int whole = AttributeHeaderLength + length;
        if (whole > ushort.MaxValue)
            throw new ArgumentException($"A netlink attribute may have {ushort.MaxValue} bytes; this one would have {whole}.");
        Span<byte> attribute = Reserve(Align(whole));
        BinaryPrimitives.WriteUInt16LittleEndian(attribute, (ushort)whole);
        BinaryPrimitives.WriteUInt16LittleEndian(attribute[2..], type);
        return attribute.Slice(AttributeHeaderLength, length);
    }

    private Span<byte> Reserve(int length)
    {
        if (_length + length > _buffer.Length)
            Array.Resize(ref _buffer, Math.Max(_buffer.Length * 2, _length + length));
        Span<byte> room = _buffer.AsSpan(_length, length);
        room.Clear();
        _length += length;
        return room;
    }

    /// <summary>An attribute that is being filled with others.</summary>
    public readonly ref struct NestedAttribute
    {
        private readonly NetlinkWriter? _writer;
        private readonly int _start;

        internal NestedAttribute(NetlinkWriter writer, int start) => (_writer, _start) = (writer, start);

        /// <summary>Ends the attribute: fills in its length.</summary>
        /// <exception cref="ArgumentException">It is longer than an attribute may be.</exception>
        public void Dispose() => _writer?.EndNested(_start);
    }
}
