using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.TrafficControl;

/// <summary>Matches every packet. <c>tc filter add ... matchall action ...</c>; see tc-matchall(8). Since Linux 4.8.</summary>
public sealed record MatchallFilter : TcFilter
{
    /// <summary>Initialises one.</summary>
    public MatchallFilter(int linkIndex, TcHandle parent) : base(linkIndex, parent, "matchall")
    {
    }

    private protected override void WriteOptions(NetlinkWriter writer)
    {
        using (writer.Nested(Rtnetlink.TCA_OPTIONS))
            WriteCommon(writer, PktCls.TCA_MATCHALL_CLASSID, PktCls.TCA_MATCHALL_ACT);
    }

    internal static MatchallFilter ReadOptions(AttributeReader reader)
    {
        var filter = new MatchallFilter(0, default);
        while (reader.MoveNext())
        {
            filter = reader.Type switch
            {
                PktCls.TCA_MATCHALL_CLASSID => filter with { ClassId = new TcHandle(reader.UInt32) },
                PktCls.TCA_MATCHALL_ACT => filter with { Actions = TcAction.ReadAll(reader.Nested) },
                _ => filter,
            };
        }

        return filter;
    }
}
