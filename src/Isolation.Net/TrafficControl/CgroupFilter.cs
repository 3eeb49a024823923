using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.TrafficControl;

/// <summary>Sorts packets by the class number of the control group that sent them: <c>net_cls.classid</c>.
/// <c>tc filter add ... cgroup</c>; see tc-cgroup(8).</summary>
public sealed record CgroupFilter : TcFilter
{
    /// <summary>Initialises one.</summary>
    public CgroupFilter(int linkIndex, TcHandle parent) : base(linkIndex, parent, "cgroup") => Handle = new TcHandle(1u);

    private protected override void WriteOptions(NetlinkWriter writer)
    {
        using (writer.Nested(Rtnetlink.TCA_OPTIONS))
            TcAction.WriteAll(writer, PktCls.TCA_CGROUP_ACT, Actions);
    }

    internal static CgroupFilter ReadOptions(AttributeReader reader)
    {
        var filter = new CgroupFilter(0, default);
        while (reader.MoveNext())
        {
            if (reader.Type == PktCls.TCA_CGROUP_ACT)
                filter = filter with { Actions = TcAction.ReadAll(reader.Nested) };
        }

        return filter;
    }
}
