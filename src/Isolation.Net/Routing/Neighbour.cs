using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

/// <summary>Which hardware address an IP address on a link has: what <c>ip neighbour</c> shows.</summary>
/// <example><code>
/// route.Add(new Neighbour(link.Index, IPAddress.Parse("10.0.0.2")) { Address = PhysicalAddress.Parse("02-00-00-00-00-02") });
/// </code></example>
/// <param name="LinkIndex">The link.</param>
/// <param name="Destination">The IP address.</param>
public sealed record Neighbour(int LinkIndex, IPAddress Destination) : RouteObject
{
    /// <summary>Its hardware address; null where it is not known.</summary>
    public PhysicalAddress? Address { get; init; }

    /// <summary>What is known of it.</summary>
    public NeighbourStates State { get; init; } = NeighbourStates.Permanent;

    /// <summary>Whether this host answers for it: <c>NTF_PROXY</c>.</summary>
    public bool Proxy { get; init; }

    /// <summary>Whether it is a router: <c>NTF_ROUTER</c>.</summary>
    public bool Router { get; init; }

    internal override ushort NewType => Rtnetlink.RTM_NEWNEIGH;

    internal override string Noun => "neighbour";

    internal override string Subject => string.Create(CultureInfo.InvariantCulture, $"{Destination} on link {LinkIndex}");

    internal override void WriteNew(NetlinkWriter writer, ushort flags)
    {
        Begin(writer, Rtnetlink.RTM_NEWNEIGH, flags);
        if (Address is not null)
            writer.Put(NeighbourAbi.NDA_LLADDR, Address.GetAddressBytes());
        writer.End();
    }

    internal override void WriteDelete(NetlinkWriter writer)
    {
        Begin(writer, Rtnetlink.RTM_DELNEIGH, 0);
        writer.End();
    }

    internal static Neighbour? Read(ReadOnlySpan<byte> payload)
    {
        if (payload.Length < 12)
            throw NetlinkException.Malformed($"A neighbour has {payload.Length} bytes.");
        IPAddress? destination = null;
        PhysicalAddress? address = null;
        var reader = new AttributeReader(payload[12..]);
        while (reader.MoveNext())
        {
            if (reader.Type == NeighbourAbi.NDA_DST && payload[0] is 2 or 10)
                destination = reader.IPAddress;
            else if (reader.Type == NeighbourAbi.NDA_LLADDR)
                address = new PhysicalAddress(reader.Value.ToArray());
        }

        // A bridge's table of hardware addresses comes in the same messages.
        return destination is null ? null : new Neighbour(BinaryPrimitives.ReadInt32LittleEndian(payload[4..]), destination)
        {
            Address = address,
            State = (NeighbourStates)BinaryPrimitives.ReadUInt16LittleEndian(payload[8..]),
            Proxy = (payload[10] & NeighbourAbi.NTF_PROXY) != 0,
            Router = (payload[10] & NeighbourAbi.NTF_ROUTER) != 0,
        };
    }

    private void Begin(NetlinkWriter writer, ushort type, ushort flags)
    {
        // struct ndmsg { u8 family, pad1; u16 pad2; i32 ifindex; u16 state; u8 flags, type; }
        Span<byte> header = stackalloc byte[12];
        header.Clear();
        header[0] = AddressText.Family(Destination);
        BinaryPrimitives.WriteInt32LittleEndian(header[4..], LinkIndex);
        BinaryPrimitives.WriteUInt16LittleEndian(header[8..], (ushort)(Proxy ? 0 : State));
        header[10] = (byte)((Proxy ? NeighbourAbi.NTF_PROXY : 0) | (Router ? NeighbourAbi.NTF_ROUTER : 0));
        writer.Begin(type, flags, header);
        writer.PutAddress(NeighbourAbi.NDA_DST, Destination);
    }
}
