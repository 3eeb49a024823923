using System.Buffers.Binary;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.TrafficControl;

/// <summary>A token bucket filter: lets packets out at a rate. <c>tc qdisc add ... tbf rate RATE burst BYTES limit BYTES</c>;
/// see tc-tbf(8).</summary>
/// <example><code>
/// route.Replace(new TbfQdisc(link.Index) { Rate = BitRate.FromMegabits(10), Burst = 16384, Limit = 65536 });
/// </code></example>
public sealed record TbfQdisc : Qdisc
{
    private const int OptionsLength = 36;

    /// <summary>Initialises one.</summary>
    public TbfQdisc(int linkIndex) : base(linkIndex, "tbf")
    {
    }

    /// <summary>The rate.</summary>
    public BitRate Rate { get; init; } = BitRate.FromMegabits(1);

    /// <summary>How many bytes may go out at once after a pause. Read back, it is what the kernel's clock of 64 ns makes of it.</summary>
    public uint Burst { get; init; } = 16 * 1024;

    /// <summary>How many bytes may wait; more are dropped.</summary>
    public uint Limit { get; init; } = 64 * 1024;

    /// <summary>How fast a burst may go out; null for as fast as the link is.</summary>
    public BitRate? PeakRate { get; init; }

    /// <summary>With a peak rate, how many bytes may go out at once by it: at least the mtu.</summary>
    public uint? PeakBurst { get; init; }

    // struct tc_tbf_qopt { tc_ratespec rate, peakrate; u32 limit, buffer, mtu; }
    private protected override void WriteOptions(NetlinkWriter writer)
    {
        Span<byte> options = stackalloc byte[OptionsLength];
        options.Clear();
        uint peakBurst = PeakBurst ?? 2048;
        PacketScheduler.WriteRate(options, Rate);
        PacketScheduler.WriteRate(options[12..], PeakRate);
        BinaryPrimitives.WriteUInt32LittleEndian(options[24..], Limit);
        BinaryPrimitives.WriteUInt32LittleEndian(options[28..], PacketScheduler.Ticks(Burst, Rate.BytesPerSecond));
        if (PeakRate is { } peak)
            BinaryPrimitives.WriteUInt32LittleEndian(options[32..], PacketScheduler.Ticks(peakBurst, peak.BytesPerSecond));
        using (writer.Nested(Rtnetlink.TCA_OPTIONS))
        {
            writer.Put(PktSched.TCA_TBF_PARMS, options);
            writer.PutUInt32(PktSched.TCA_TBF_BURST, Burst);
            if (PacketScheduler.IsWide(Rate))
                writer.PutUInt64(PktSched.TCA_TBF_RATE64, Rate.BytesPerSecond);
            if (PeakRate is not { } peakRate)
                return;
            writer.PutUInt32(PktSched.TCA_TBF_PBURST, peakBurst);
            if (PacketScheduler.IsWide(peakRate))
                writer.PutUInt64(PktSched.TCA_TBF_PRATE64, peakRate.BytesPerSecond);
        }
    }

    internal static TbfQdisc ReadOptions(AttributeReader reader)
    {
        ReadOnlySpan<byte> options = [];
        ulong? rate64 = null, peak64 = null;
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case PktSched.TCA_TBF_PARMS:
                    options = reader.Struct(OptionsLength);
                    break;
                case PktSched.TCA_TBF_RATE64:
                    rate64 = reader.UInt64;
                    break;
                case PktSched.TCA_TBF_PRATE64:
                    peak64 = reader.UInt64;
                    break;
            }
        }

        if (options.IsEmpty)
            throw NetlinkException.Malformed("A tbf has no TCA_TBF_PARMS.");
        BitRate rate = PacketScheduler.ReadRate(options, rate64) ?? throw NetlinkException.Malformed("A tbf has no rate.");
        BitRate? peak = PacketScheduler.ReadRate(options[12..], peak64);
        return new TbfQdisc(0)
        {
            Rate = rate,
            PeakRate = peak,
            Limit = BinaryPrimitives.ReadUInt32LittleEndian(options[24..]),
            Burst = (uint)PacketScheduler.Bytes(BinaryPrimitives.ReadUInt32LittleEndian(options[28..]), rate.BytesPerSecond),
            PeakBurst = peak is { } p
                ? (uint)PacketScheduler.Bytes(BinaryPrimitives.ReadUInt32LittleEndian(options[32..]), p.BytesPerSecond)
                : null,
        };
    }
}
