using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.TrafficControl;

/// <summary>Drops, passes, or goes on: <c>action drop</c>, <c>action pass</c>. See tc-actions(8).</summary>
/// <param name="Verdict">Which.</param>
public sealed record GactAction(TcVerdict Verdict) : TcAction(Verdict)
{
    internal override string Kind => "gact";

    internal override void WriteOptions(NetlinkWriter writer)
    {
        Span<byte> parameters = stackalloc byte[Generic];
        FillGeneric(parameters);
        writer.Put(PktCls.TCA_GACT_PARMS, parameters);
    }

    internal static GactAction Read(AttributeReader options) => new(VerdictOf(Find(options, PktCls.TCA_GACT_PARMS, Generic)));
}
