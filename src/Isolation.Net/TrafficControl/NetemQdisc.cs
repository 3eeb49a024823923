using System.Buffers.Binary;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.TrafficControl;

/// <summary>Makes a link bad: delay, loss, duplication, reordering, corruption, a slow rate.
/// <c>tc qdisc add ... netem</c>; see tc-netem(8).</summary>
/// <example><code>
/// route.Replace(new NetemQdisc(link.Index) { Delay = TimeSpan.FromMilliseconds(100), Jitter = TimeSpan.FromMilliseconds(10) });
/// </code></example>
public sealed record NetemQdisc : Qdisc
{
    private const int OptionsLength = 24;

    /// <summary>Initialises one.</summary>
    public NetemQdisc(int linkIndex) : base(linkIndex, "netem")
    {
    }

    /// <summary>By how much every packet is late.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>By how much that varies, either way.</summary>
    public TimeSpan Jitter { get; init; }

    /// <summary>How many packets may wait.</summary>
    public uint LimitPackets { get; init; } = 1000;

    /// <summary>The share of packets that are lost, 0 to 1.</summary>
    public double Loss { get; init; }

    /// <summary>The share of packets that come twice, 0 to 1.</summary>
    public double Duplicate { get; init; }

    /// <summary>The share of packets that go out at once, before those that wait, 0 to 1; needs a delay.</summary>
    public double Reorder { get; init; }

    /// <summary>The share of packets with a wrong bit, 0 to 1.</summary>
    public double Corrupt { get; init; }

    /// <summary>The rate; null for no limit.</summary>
    public BitRate? Rate { get; init; }

    // struct tc_netem_qopt { u32 latency, limit, loss, gap, duplicate, jitter; }, then attributes
    private protected override void WriteOptions(NetlinkWriter writer)
    {
        Span<byte> options = stackalloc byte[OptionsLength];
        options.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(options, TicksOf(Delay));
        BinaryPrimitives.WriteUInt32LittleEndian(options[4..], LimitPackets);
        BinaryPrimitives.WriteUInt32LittleEndian(options[8..], Share(Loss, nameof(Loss)));
        BinaryPrimitives.WriteUInt32LittleEndian(options[12..], Reorder > 0 ? 1u : 0);
        BinaryPrimitives.WriteUInt32LittleEndian(options[16..], Share(Duplicate, nameof(Duplicate)));
        BinaryPrimitives.WriteUInt32LittleEndian(options[20..], TicksOf(Jitter));
        using (writer.Nested(Rtnetlink.TCA_OPTIONS, options))
        {
            writer.PutUInt64(PktSched.TCA_NETEM_LATENCY64, (ulong)Delay.Ticks * 100);
            writer.PutUInt64(PktSched.TCA_NETEM_JITTER64, (ulong)Jitter.Ticks * 100);
            PutShare(writer, PktSched.TCA_NETEM_REORDER, Share(Reorder, nameof(Reorder)));
            PutShare(writer, PktSched.TCA_NETEM_CORRUPT, Share(Corrupt, nameof(Corrupt)));
            if (Rate is not { } rate)
                return;
            // struct tc_netem_rate { u32 rate; i32 packet_overhead; u32 cell_size; i32 cell_overhead; }
            Span<byte> spec = stackalloc byte[16];
            spec.Clear();
            BinaryPrimitives.WriteUInt32LittleEndian(spec, (uint)Math.Min(rate.BytesPerSecond, uint.MaxValue));
            writer.Put(PktSched.TCA_NETEM_RATE, spec);
            if (PacketScheduler.IsWide(rate))
                writer.PutUInt64(PktSched.TCA_NETEM_RATE64, rate.BytesPerSecond);
        }
    }

    internal static NetemQdisc ReadOptions(ReadOnlySpan<byte> options)
    {
        if (options.Length < OptionsLength)
            throw NetlinkException.Malformed($"The options of netem have {options.Length} bytes.");
        var qdisc = new NetemQdisc(0)
        {
            Delay = TimeSpan.FromTicks(BinaryPrimitives.ReadUInt32LittleEndian(options) * 64L / 100),
            LimitPackets = BinaryPrimitives.ReadUInt32LittleEndian(options[4..]),
            Loss = Share(BinaryPrimitives.ReadUInt32LittleEndian(options[8..])),
            Duplicate = Share(BinaryPrimitives.ReadUInt32LittleEndian(options[16..])),
            Jitter = TimeSpan.FromTicks(BinaryPrimitives.ReadUInt32LittleEndian(options[20..]) * 64L / 100),
        };
        var reader = new AttributeReader(options[OptionsLength..]);
        ulong? rate64 = null;
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case PktSched.TCA_NETEM_LATENCY64:
                    qdisc = qdisc with { Delay = TimeSpan.FromTicks((long)(reader.UInt64 / 100)) };
                    break;
                case PktSched.TCA_NETEM_JITTER64:
                    qdisc = qdisc with { Jitter = TimeSpan.FromTicks((long)(reader.UInt64 / 100)) };
                    break;
                case PktSched.TCA_NETEM_REORDER:
                    qdisc = qdisc with { Reorder = Share(reader.UInt32) };
                    break;
                case PktSched.TCA_NETEM_CORRUPT:
                    qdisc = qdisc with { Corrupt = Share(reader.UInt32) };
                    break;
                case PktSched.TCA_NETEM_RATE64:
                    rate64 = reader.UInt64;
                    break;
                case PktSched.TCA_NETEM_RATE when reader.UInt32 != 0:
                    qdisc = qdisc with { Rate = BitRate.FromBytes(reader.UInt32) };
                    break;
            }
        }

        return rate64 is { } wide ? qdisc with { Rate = BitRate.FromBytes(wide) } : qdisc;
    }

    private static void PutShare(NetlinkWriter writer, ushort type, uint share)
    {
        if (share == 0)
            return;
        Span<byte> value = stackalloc byte[8]; // a probability, and its correlation
        value.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(value, share);
        writer.Put(type, value);
    }

    private static uint TicksOf(TimeSpan time) => (uint)Math.Clamp(time.Ticks * 100 / 64, 0, uint.MaxValue);

    private static uint Share(double share, string name) => share is >= 0 and <= 1
        ? (uint)Math.Round(share * uint.MaxValue)
        : throw new ArgumentOutOfRangeException(name, share, "A share lies between 0 and 1.");

    private static double Share(uint share) => Math.Round(share / (double)uint.MaxValue, 9);
}
