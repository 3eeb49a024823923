using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables.Expressions;

/// <summary>Logs the packet: to the kernel's log, or, with a group, to a program that listens. <c>log</c>.</summary>
/// <param name="Prefix">What the line begins with, at most 127 bytes; null for nothing.</param>
/// <param name="Level">The kernel's level: 4 is warning.</param>
/// <param name="Group">The group of nfnetlink_log; null for the kernel's log. In namespaces the kernel's log is off by default.</param>
public sealed record LogExpression(string? Prefix = null, uint? Level = null, ushort? Group = null) : NftExpression
{
    // NF_LOG_PREFIXLEN without the NUL
    private const int MaxPrefix = 127;

    internal override string Name => "log";

    internal override void Write(NetlinkWriter writer)
    {
        if (Prefix is not null)
            writer.PutText(NfTables.NFTA_LOG_PREFIX, Prefix, MaxPrefix, "Log prefix");
        if (Group is { } group)
            writer.PutBigEndianUInt16(NfTables.NFTA_LOG_GROUP, group);
        if (Level is { } level)
            writer.PutBigEndianUInt32(NfTables.NFTA_LOG_LEVEL, level);
    }

    internal static LogExpression Read(AttributeReader reader)
    {
        var log = new LogExpression();
        while (reader.MoveNext())
        {
            log = reader.Type switch
            {
                NfTables.NFTA_LOG_PREFIX => log with { Prefix = reader.Text },
                NfTables.NFTA_LOG_GROUP => log with { Group = reader.BigEndianUInt16 },
                NfTables.NFTA_LOG_LEVEL => log with { Level = reader.BigEndianUInt32 },
                _ => log,
            };
        }

        return log;
    }
}
