using System.Buffers.Binary;
using System.Globalization;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;
using Isolation.Net.Routing;

namespace Isolation.Net.TrafficControl;

/// <summary>What a queueing discipline, a class and a filter have in common: a link, a number, a parent, a kind.</summary>
public abstract record TcObject : RouteObject
{
    private protected TcObject(int linkIndex, string kind) => (LinkIndex, Kind) = (linkIndex, kind);

    /// <summary>The link's index.</summary>
    public int LinkIndex { get; init; }

    /// <summary>Its number; none lets the kernel choose.</summary>
    public TcHandle Handle { get; init; }

    /// <summary>What it belongs to.</summary>
    public TcHandle Parent { get; init; } = TcHandle.Root;

    /// <summary>Its kind: <c>TCA_KIND</c>, <c>tbf</c>.</summary>
    public string Kind { get; init; }

    /// <summary>What went through it, as read; null where the kernel does not say.</summary>
    public TcStatistics? Statistics { get; init; }

    internal override string Subject => string.Create(CultureInfo.InvariantCulture, $"{Kind} at {Parent} of link {LinkIndex}");

    /// <summary>The options of a kind that has no record here, as they were read.</summary>
    internal KeptAttributes Kept { get; init; }

    /// <summary>The word beside the parent: a filter's priority and protocol.</summary>
    private protected virtual uint Info => 0;

    /// <summary>Writes <c>TCA_OPTIONS</c>.</summary>
    private protected abstract void WriteOptions(NetlinkWriter writer);

    internal override void WriteNew(NetlinkWriter writer, ushort flags)
    {
        Begin(writer, NewType, flags);
        WriteOptions(writer);
        writer.End();
    }

    internal override void WriteDelete(NetlinkWriter writer)
    {
        Begin(writer, (ushort)(NewType + 1), 0);
        writer.End();
    }

    // struct tcmsg { u8 family, pad1; u16 pad2; i32 ifindex; u32 handle, parent, info; }
    private void Begin(NetlinkWriter writer, ushort type, ushort flags)
    {
        Span<byte> header = stackalloc byte[20];
        header.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(header[4..], LinkIndex);
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], Handle.Value);
        BinaryPrimitives.WriteUInt32LittleEndian(header[12..], Parent.Value);
        BinaryPrimitives.WriteUInt32LittleEndian(header[16..], Info);
        writer.Begin(type, flags, header);
        writer.PutText(Rtnetlink.TCA_KIND, Kind, LinkNames.MaxLength, "Kind");
    }

    /// <summary>The parts of a message that every kind has.</summary>
    internal readonly ref struct Parts
    {
        internal readonly int LinkIndex;
        internal readonly TcHandle Handle, Parent;
        internal readonly uint Info;
        internal readonly string Kind = "";
        internal readonly ReadOnlySpan<byte> Options;
        internal readonly TcStatistics? Statistics;
        internal readonly KeptAttributes Kept;

        internal Parts(ReadOnlySpan<byte> payload)
        {
            if (payload.Length < 20)
                throw NetlinkException.Malformed($"A message of traffic control has {payload.Length} bytes.");
            LinkIndex = BinaryPrimitives.ReadInt32LittleEndian(payload[4..]);
            Handle = new TcHandle(BinaryPrimitives.ReadUInt32LittleEndian(payload[8..]));
            Parent = new TcHandle(BinaryPrimitives.ReadUInt32LittleEndian(payload[12..]));
            Info = BinaryPrimitives.ReadUInt32LittleEndian(payload[16..]);
            var reader = new AttributeReader(payload[20..]);
            while (reader.MoveNext())
            {
                switch (reader.Type)
                {
                    case Rtnetlink.TCA_KIND:
                        Kind = reader.Text;
                        break;
                    case Rtnetlink.TCA_OPTIONS:
                        Options = reader.Value;
                        Kept = default(KeptAttributes).With(reader);
                        break;
                    case Rtnetlink.TCA_STATS2:
                        Statistics = TcStatistics.Read(reader.Nested);
                        break;
                }
            }
        }
    }
}
