using System.Buffers.Binary;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.TrafficControl;

/// <summary>A class of htb: <c>tc class add ... htb rate RATE ceil RATE</c>; see tc-htb(8).</summary>
/// <example><code>
/// route.Add(new HtbClass(link.Index, parent: TcHandle.Parse("1:"), TcHandle.Parse("1:10"))
/// {
///     Rate = BitRate.FromMegabits(5),
///     Ceil = BitRate.FromMegabits(10),
/// });
/// </code></example>
public sealed record HtbClass : TcClass
{
    private const int OptionsLength = 44;
    private const uint SpareBytes = 1600;
    private const int TicksPerSecond = 250;

    /// <summary>Initialises one.</summary>
    /// <param name="linkIndex">The link.</param>
    /// <param name="parent">The discipline, or the class that it is within.</param>
    /// <param name="handle">Its number; its major is the discipline's.</param>
    public HtbClass(int linkIndex, TcHandle parent, TcHandle handle) : base(linkIndex, "htb") => (Parent, Handle) = (parent, handle);

    /// <summary>The rate that it is sure of.</summary>
    public BitRate Rate { get; init; } = BitRate.FromMegabits(1);

    /// <summary>The rate up to which it may borrow; null for no borrowing.</summary>
    public BitRate? Ceil { get; init; }

    /// <summary>How many bytes may go out at once at the ceiling; null chooses what 4 ms hold.</summary>
    public uint? Burst { get; init; }

    /// <summary>How many bytes may go out at once as fast as the link is; null chooses what 4 ms hold.</summary>
    public uint? CeilBurst { get; init; }

    /// <summary>Among those who borrow, the lowest is served first: 0 to 7.</summary>
    public uint Priority { get; init; }

    /// <summary>How many bytes it sends in its turn; null leaves it to the kernel.</summary>
    public uint? Quantum { get; init; }

    // struct tc_htb_opt { tc_ratespec rate, ceil; u32 buffer, cbuffer, quantum, level, prio; }
    private protected override void WriteOptions(NetlinkWriter writer)
    {
        BitRate ceil = Ceil ?? Rate;
        Span<byte> options = stackalloc byte[OptionsLength];
        options.Clear();
        PacketScheduler.WriteRate(options, Rate);
        PacketScheduler.WriteRate(options[12..], ceil);
        BinaryPrimitives.WriteUInt32LittleEndian(options[24..], PacketScheduler.Ticks(Burst ?? DefaultBurst(Rate), Rate.BytesPerSecond));
        BinaryPrimitives.WriteUInt32LittleEndian(options[28..],
            PacketScheduler.Ticks(CeilBurst ?? DefaultBurst(ceil), ceil.BytesPerSecond));
        BinaryPrimitives.WriteUInt32LittleEndian(options[32..], Quantum ?? 0);
        BinaryPrimitives.WriteUInt32LittleEndian(options[40..], Priority);
        using (writer.Nested(Rtnetlink.TCA_OPTIONS))
        {
            writer.Put(PktSched.TCA_HTB_PARMS, options);
            if (PacketScheduler.IsWide(Rate))
                writer.PutUInt64(PktSched.TCA_HTB_RATE64, Rate.BytesPerSecond);
            if (PacketScheduler.IsWide(ceil))
                writer.PutUInt64(PktSched.TCA_HTB_CEIL64, ceil.BytesPerSecond);
        }
    }

    internal static HtbClass ReadOptions(AttributeReader reader)
    {
        ReadOnlySpan<byte> options = [];
        ulong? rate64 = null, ceil64 = null;
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case PktSched.TCA_HTB_PARMS:
                    options = reader.Struct(OptionsLength);
                    break;
                case PktSched.TCA_HTB_RATE64:
                    rate64 = reader.UInt64;
                    break;
                case PktSched.TCA_HTB_CEIL64:
                    ceil64 = reader.UInt64;
                    break;
            }
        }

        if (options.IsEmpty)
            throw NetlinkException.Malformed("A class of htb has no TCA_HTB_PARMS.");
        BitRate rate = PacketScheduler.ReadRate(options, rate64) ?? throw NetlinkException.Malformed("A class of htb has no rate.");
        BitRate ceil = PacketScheduler.ReadRate(options[12..], ceil64) ?? rate;
        return new HtbClass(0, default, default)
        {
            Rate = rate,
            Ceil = ceil,
            Burst = (uint)PacketScheduler.Bytes(BinaryPrimitives.ReadUInt32LittleEndian(options[24..]), rate.BytesPerSecond),
            CeilBurst = (uint)PacketScheduler.Bytes(BinaryPrimitives.ReadUInt32LittleEndian(options[28..]), ceil.BytesPerSecond),
            Quantum = BinaryPrimitives.ReadUInt32LittleEndian(options[32..]),
            Priority = BinaryPrimitives.ReadUInt32LittleEndian(options[40..]),
        };
    }

    private static uint DefaultBurst(BitRate rate) => (uint)Math.Min(uint.MaxValue, (rate.BytesPerSecond / TicksPerSecond) + SpareBytes);
}
