using System.Buffers.Binary;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.TrafficControl;

/// <summary>Lets packets through at a rate, and does something else with the rest:
/// <c>action police rate RATE burst BYTES</c>. See tc-police(8).</summary>
/// <param name="Rate">The rate.</param>
/// <param name="Burst">How many bytes may come at once after a pause.
/// Read back, it is what the kernel's clock of 64 ns makes of it.</param>
/// <param name="Exceed">What becomes of packets above the rate.</param>
public sealed record PoliceAction(BitRate Rate, uint Burst, TcVerdict Exceed = TcVerdict.Drop) : TcAction(Exceed)
{
    private const int ParametersLength = 56;
    private const uint DefaultMtu = 2047;

    /// <summary>What becomes of packets within the rate.</summary>
    public TcVerdict Conform { get; init; } = TcVerdict.Ok;

    /// <summary>The longest packet that is within the rate at all, in bytes.
    /// Offloaded packets of 64 KiB want more than the default.</summary>
    public uint Mtu { get; init; } = DefaultMtu;

    internal override string Kind => "police";

    // struct tc_police { u32 index; int action; u32 limit, burst, mtu; tc_ratespec rate, peakrate; int refcnt, bindcnt; u32 capab; }
    internal override void WriteOptions(NetlinkWriter writer)
    {
        Span<byte> parameters = stackalloc byte[ParametersLength];
        parameters.Clear();
        int cellLog = PacketScheduler.CellLog((int)Math.Min(Mtu, int.MaxValue));
        BinaryPrimitives.WriteInt32LittleEndian(parameters[4..], (int)Verdict);
        BinaryPrimitives.WriteUInt32LittleEndian(parameters[12..], PacketScheduler.Ticks(Burst, Rate.BytesPerSecond));
        BinaryPrimitives.WriteUInt32LittleEndian(parameters[16..], Mtu);
        PacketScheduler.WriteRate(parameters[20..], Rate, cellLog);
        writer.Put(PktCls.TCA_POLICE_TBF, parameters);
        writer.Put(PktCls.TCA_POLICE_RATE, PacketScheduler.RateTable(Rate, cellLog));
        writer.PutInt32(PktCls.TCA_POLICE_RESULT, (int)Conform);
        if (PacketScheduler.IsWide(Rate))
            writer.PutUInt64(PktCls.TCA_POLICE_RATE64, Rate.BytesPerSecond);
    }

    internal static PoliceAction Read(AttributeReader options)
    {
        ReadOnlySpan<byte> parameters = [];
        TcVerdict conform = TcVerdict.Ok;
        ulong? wide = null;
        while (options.MoveNext())
        {
            switch (options.Type)
            {
                case PktCls.TCA_POLICE_TBF:
                    parameters = options.Struct(ParametersLength);
                    break;
                case PktCls.TCA_POLICE_RESULT:
                    conform = (TcVerdict)options.Int32;
                    break;
                case PktCls.TCA_POLICE_RATE64:
                    wide = options.UInt64;
                    break;
            }
        }

        if (parameters.IsEmpty)
            throw NetlinkException.Malformed("A police action has no TCA_POLICE_TBF.");
        BitRate rate = PacketScheduler.ReadRate(parameters[20..], wide) ?? throw NetlinkException.Malformed("A police action has no rate.");
        return new PoliceAction(rate,
            (uint)PacketScheduler.Bytes(BinaryPrimitives.ReadUInt32LittleEndian(parameters[12..]), rate.BytesPerSecond),
            (TcVerdict)BinaryPrimitives.ReadInt32LittleEndian(parameters[4..]))
        { Conform = conform, Mtu = BinaryPrimitives.ReadUInt32LittleEndian(parameters[16..]) };
    }
}
