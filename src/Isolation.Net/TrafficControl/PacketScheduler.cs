using System.Buffers.Binary;
using System.Numerics;

namespace Isolation.Net.TrafficControl;

/// <summary>The packet scheduler's units: ticks of 64 ns, and rates in <c>struct tc_ratespec</c>.</summary>
internal static class PacketScheduler
{
    internal const int RateSpecLength = 12;
    private const int NanosecondsPerTick = 64, TableLength = 256;
    private const byte LinkLayerEthernet = 1;

    /// <summary>How long it takes to send so many bytes, in ticks.</summary>
    internal static uint Ticks(ulong bytes, ulong bytesPerSecond) =>
        bytesPerSecond == 0 ? 0 : (uint)UInt128.Min(uint.MaxValue, (UInt128)bytes * 1_000_000_000 / bytesPerSecond / NanosecondsPerTick);

    /// <summary>How many bytes are sent in so many ticks.</summary>
    internal static ulong Bytes(uint ticks, ulong bytesPerSecond) =>
        (ulong)((((UInt128)ticks * NanosecondsPerTick * bytesPerSecond) + 999_999_999) / 1_000_000_000);

    // struct tc_ratespec { u8 cell_log, linklayer; u16 overhead; i16 cell_align; u16 mpu; u32 rate; }
    internal static void WriteRate(Span<byte> spec, BitRate? rate, int cellLog = 0)
    {
        spec[..RateSpecLength].Clear();
        if (rate is not { } value)
            return;
        spec[0] = (byte)cellLog;
        spec[1] = LinkLayerEthernet;
        BinaryPrimitives.WriteUInt32LittleEndian(spec[8..], (uint)Math.Min(value.BytesPerSecond, uint.MaxValue));
    }

    /// <summary>The rate of a spec, and of the 64-bit attribute beside it, where it does not fit.</summary>
    internal static BitRate? ReadRate(ReadOnlySpan<byte> spec, ulong? wide)
    {
        ulong rate = wide ?? BinaryPrimitives.ReadUInt32LittleEndian(spec[8..]);
        return rate == 0 ? null : BitRate.FromBytes(rate);
    }

    internal static bool IsWide(BitRate? rate) => rate is { } value && value.BytesPerSecond > uint.MaxValue;

    /// <summary>The table of times by packet size that some actions still want:
    /// the smallest cell that lets 256 of them hold the longest packet.</summary>
    internal static int CellLog(int maxBytes) => Math.Max(3, BitOperations.Log2((uint)Math.Max(maxBytes - 1, 1)) - 7);

    internal static byte[] RateTable(BitRate rate, int cellLog)
    {
        var table = new byte[TableLength * 4];
        for (int i = 0; i < TableLength; i++)
            BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(i * 4), Ticks((ulong)(i + 1) << cellLog, rate.BytesPerSecond));
        return table;
    }
}
