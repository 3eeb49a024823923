using System.Buffers.Binary;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.TrafficControl;

/// <summary>Sends a packet, or a copy, to another link: <c>action mirred egress redirect dev LINK</c>. See tc-mirred(8).</summary>
/// <param name="LinkIndex">The other link.</param>
/// <param name="Mirror">Whether a copy is sent, and the packet goes on.</param>
/// <param name="Ingress">Whether it comes in there, in the place of going out.</param>
public sealed record MirredAction(int LinkIndex, bool Mirror = false, bool Ingress = false)
    : TcAction(Mirror ? TcVerdict.Pipe : TcVerdict.Stolen)
{
    internal override string Kind => "mirred";

    internal override void WriteOptions(NetlinkWriter writer)
    {
        // struct tc_mirred { generic; int eaction; u32 ifindex; }
        Span<byte> parameters = stackalloc byte[Generic + 8];
        FillGeneric(parameters);
        int action = (Ingress, Mirror) switch
        {
            (false, false) => PktCls.TCA_EGRESS_REDIR,
            (false, true) => PktCls.TCA_EGRESS_MIRROR,
            (true, false) => PktCls.TCA_INGRESS_REDIR,
            (true, true) => PktCls.TCA_INGRESS_MIRROR,
        };
        BinaryPrimitives.WriteInt32LittleEndian(parameters[Generic..], action);
        BinaryPrimitives.WriteInt32LittleEndian(parameters[(Generic + 4)..], LinkIndex);
        writer.Put(PktCls.TCA_MIRRED_PARMS, parameters);
    }

    internal static MirredAction Read(AttributeReader options)
    {
        ReadOnlySpan<byte> parameters = Find(options, PktCls.TCA_MIRRED_PARMS, Generic + 8);
        int action = BinaryPrimitives.ReadInt32LittleEndian(parameters[Generic..]);
        return new MirredAction(BinaryPrimitives.ReadInt32LittleEndian(parameters[(Generic + 4)..]),
            action is PktCls.TCA_EGRESS_MIRROR or PktCls.TCA_INGRESS_MIRROR,
            action is PktCls.TCA_INGRESS_REDIR or PktCls.TCA_INGRESS_MIRROR)
        { Verdict = VerdictOf(parameters) };
    }
}
