using System.Buffers.Binary;
using System.Globalization;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

/// <summary>A further name of a link, of up to 127 bytes:
/// <c>ip link property add dev NAME altname ALTERNATIVE</c>. Since Linux 5.5.</summary>
/// <param name="LinkIndex">The link.</param>
/// <param name="Name">The name.</param>
public sealed record AlternativeName(int LinkIndex, string Name) : RouteObject
{
    internal override ushort NewType => Rtnetlink.RTM_NEWLINKPROP;

    internal override string Noun => "alternative name";

    internal override string Subject => string.Create(CultureInfo.InvariantCulture, $"\"{Name}\" of link {LinkIndex}");

    internal override void WriteNew(NetlinkWriter writer, ushort flags) => Write(writer, Rtnetlink.RTM_NEWLINKPROP, flags);

    internal override void WriteDelete(NetlinkWriter writer) => Write(writer, Rtnetlink.RTM_DELLINKPROP, 0);

    private void Write(NetlinkWriter writer, ushort type, ushort flags)
    {
        Span<byte> header = stackalloc byte[16];
        header.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(header[4..], LinkIndex);
        writer.Begin(type, flags, header);
        using (writer.Nested(IfLink.IFLA_PROP_LIST))
            writer.PutText(IfLink.IFLA_ALT_IFNAME, LinkNames.Check(Name, alternative: true));
        writer.End();
    }
}
