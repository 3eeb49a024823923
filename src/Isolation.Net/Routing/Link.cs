using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.Net.NetworkInformation;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

/// <summary>A network interface: what <c>ip link</c> shows. The kinds with options have records of their own,
/// such as <see cref="VethLink"/>.</summary>
/// <example><code>
/// using RouteSocket route = RouteSocket.Open();
/// route.Add(new BridgeLink { Name = "br0", Mtu = 1400, Up = true });
/// Link br0 = route.GetLink("br0");
/// route.Change(new Link { Index = br0.Index, Up = false });
/// route.Delete(br0);
/// </code></example>
public partial record Link : RouteObject
{
    // IFALIASZ and MODULE_NAME_LEN without the NUL; a longer kind would be cut.
    private const int MaxAlias = 255, MaxKind = 55;

    /// <summary>Its number: <c>ifi_index</c>. In a request it chooses the link, or, for a new one, the number that it gets;
    /// 0 leaves that to the name, or the kernel.</summary>
    public int Index { get; init; }

    /// <summary>Its name: <c>IFLA_IFNAME</c>, at most 15 bytes. In a change of a link that is chosen by index, its new name.</summary>
    public string? Name { get; init; }

    /// <summary>Its kind: <c>IFLA_INFO_KIND</c>, <c>veth</c>; null for hardware and <c>lo</c>.</summary>
    public string? Kind { get; init; }

    /// <summary>The longest packet, in bytes: <c>IFLA_MTU</c>.</summary>
    public int? Mtu { get; init; }

    /// <summary>Its hardware address: <c>IFLA_ADDRESS</c>.</summary>
    public PhysicalAddress? Address { get; init; }

    /// <summary>Whether it is set up: <c>IFF_UP</c>.</summary>
    public bool? Up { get; init; }

    /// <summary>Whether addresses are resolved on it: not <c>IFF_NOARP</c>.</summary>
    public bool? Arp { get; init; }

    /// <summary>Whether it takes all packets: <c>IFF_PROMISC</c>.</summary>
    public bool? Promiscuous { get; init; }

    /// <summary>Whether it takes all multicast packets: <c>IFF_ALLMULTI</c>.</summary>
    public bool? AllMulticast { get; init; }

    /// <summary>Whether multicast packets are sent: <c>IFF_MULTICAST</c>.</summary>
    public bool? Multicast { get; init; }

    /// <summary>The index of the bridge, VRF or bond that it is a port of: <c>IFLA_MASTER</c>; 0 for none.</summary>
    public int? Master { get; init; }

    /// <summary>The index of the link that it lies on, or of its peer: <c>IFLA_LINK</c>.</summary>
    public int? ParentIndex { get; init; }

    /// <summary>How many packets wait on the way out: <c>IFLA_TXQLEN</c>.</summary>
    public int? TransmitQueueLength { get; init; }

    /// <summary>How many queues it has to send: <c>IFLA_NUM_TX_QUEUES</c>; only for a new one.</summary>
    public int? TransmitQueues { get; init; }

    /// <summary>How many queues it has to receive: <c>IFLA_NUM_RX_QUEUES</c>; only for a new one.</summary>
    public int? ReceiveQueues { get; init; }

    /// <summary>The group that it is in: <c>IFLA_GROUP</c>.</summary>
    public uint? Group { get; init; }

    /// <summary>A comment on it: <c>IFLA_IFALIAS</c>, at most 255 bytes.</summary>
    public string? Alias { get; init; }

    /// <summary>The largest packet that is handed to it to be cut up, in bytes: <c>IFLA_GSO_MAX_SIZE</c>.</summary>
    public int? GsoMaxSize { get; init; }

    /// <summary>How it makes its link-local IPv6 address; null where it has no IPv6. Of a link that is there:
    /// a new one takes no setting of IPv6 yet.</summary>
    public AddressGeneration? AddressGeneration { get; init; }

    /// <summary>How it behaves as the port of a bridge: <c>IFLA_INFO_SLAVE_DATA</c>; null where it is none.</summary>
    public BridgePort? BridgePort { get; init; }

    /// <summary>In a request, the network namespace that it moves to, or is made in: a descriptor of it. Never read.</summary>
    public LinuxHandle? NetworkNamespace { get; init; }

    /// <summary>In a request, a process whose network namespace it moves to, or is made in: <c>IFLA_NET_NS_PID</c>. Never read.</summary>
    public int? NetworkNamespaceOfProcess { get; init; }

    /// <summary>Its flags as read; in requests <see cref="Up"/> and its kin are used.</summary>
    public LinkFlags Flags { get; init; }

    /// <summary>Its hardware type as read: <c>ARPHRD_ETHER</c> is 1, <c>ARPHRD_LOOPBACK</c> 772.</summary>
    public ushort HardwareType { get; init; }

    /// <summary>Its operational state as read.</summary>
    public OperationalState State { get; init; }

    /// <summary>Its queueing discipline as read: <c>IFLA_QDISC</c>.</summary>
    public string? Qdisc { get; init; }

    /// <summary>The number of the namespace that its parent or peer is in, as read: <c>IFLA_LINK_NETNSID</c>; null for its own.</summary>
    public int? ParentNamespaceId { get; init; }

    /// <summary>Further names, as read: <c>IFLA_ALT_IFNAME</c>. See <see cref="AlternativeName"/>.</summary>
    public ImmutableArray<string> AlternativeNames { get; init; } = [];

    /// <summary>What went over it, as read; null where that was not asked for.</summary>
    public LinkStatistics? Statistics { get; init; }

    internal override ushort NewType => Rtnetlink.RTM_NEWLINK;

    internal override string Noun => "link";

    internal override string Subject => Name is { } name
        ? $"\"{name}\""
        : string.Create(CultureInfo.InvariantCulture, $"with index {Index}");

    /// <summary>Whether the record has options to write in <c>IFLA_INFO_DATA</c>.</summary>
    private protected virtual bool HasData => false;

    /// <summary>Writes the options of its kind: what <c>IFLA_INFO_DATA</c> holds.</summary>
    private protected virtual void WriteData(NetlinkWriter writer)
    {
    }

    internal override void WriteNew(NetlinkWriter writer, ushort flags)
    {
        Span<byte> header = stackalloc byte[16];
        WriteHeader(header);
        // Whose network is chosen by its number only; the name is then the new one.
        if (Index == 0 && Name is null && flags == 0)
            throw new ArgumentException("The link to change must be given by its index or its name.");
        writer.Begin(Rtnetlink.RTM_NEWLINK, flags, header);
        WriteAttributes(writer);
        writer.End();
    }

    internal override void WriteDelete(NetlinkWriter writer)
    {
        if (Index == 0 && Name is null)
            throw new ArgumentException("The link to delete must be given by its index or its name.");
        Span<byte> header = stackalloc byte[16];
        header.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(header[4..], Index);
        writer.Begin(Rtnetlink.RTM_DELLINK, 0, header);
        if (Index == 0)
            writer.PutText(IfLink.IFLA_IFNAME, LinkNames.Check(Name!));
        writer.End();
    }

    /// <summary>Fills a <c>struct ifinfomsg</c>.</summary>
    internal void WriteHeader(Span<byte> header)
    {
        uint flags = 0, change = 0;
        void Flag(bool? set, uint flag)
        {
            if (set is not { } value)
                return;
            change |= flag;
            flags |= value ? flag : 0;
        }

        Flag(Up, IfLink.IFF_UP);
        Flag(!Arp, IfLink.IFF_NOARP);
        Flag(Promiscuous, IfLink.IFF_PROMISC);
        Flag(AllMulticast, IfLink.IFF_ALLMULTI);
        Flag(Multicast, IfLink.IFF_MULTICAST);
        header.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(header[4..], Index);
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], flags);
        BinaryPrimitives.WriteUInt32LittleEndian(header[12..], change);
    }

    internal void WriteAttributes(NetlinkWriter writer)
    {
        if (Name is not null)
            writer.PutText(IfLink.IFLA_IFNAME, LinkNames.Check(Name));
        PutNumber(writer, IfLink.IFLA_MTU, Mtu);
        if (Address is not null)
            writer.Put(IfLink.IFLA_ADDRESS, Address.GetAddressBytes());
        PutNumber(writer, IfLink.IFLA_MASTER, Master);
        if (this is not VethLink)
            PutNumber(writer, IfLink.IFLA_LINK, ParentIndex);
        PutNumber(writer, IfLink.IFLA_TXQLEN, TransmitQueueLength);
        PutNumber(writer, IfLink.IFLA_NUM_TX_QUEUES, TransmitQueues);
        PutNumber(writer, IfLink.IFLA_NUM_RX_QUEUES, ReceiveQueues);
        PutNumber(writer, IfLink.IFLA_GSO_MAX_SIZE, GsoMaxSize);
        if (Group is { } group)
            writer.PutUInt32(IfLink.IFLA_GROUP, group);
        if (Alias is not null)
            writer.PutText(IfLink.IFLA_IFALIAS, Alias, MaxAlias, "Alias", endsWithNul: false); // none removes it
        if (NetworkNamespace is not null)
            writer.PutDescriptor(IfLink.IFLA_NET_NS_FD, NetworkNamespace);
        if (NetworkNamespaceOfProcess is { } process)
            writer.PutInt32(IfLink.IFLA_NET_NS_PID, process);
        WriteInfo(writer);
        WriteFamilies(writer);
    }

    private void WriteInfo(NetlinkWriter writer)
    {
        if (Kind is null && BridgePort is null)
            return;
        using (writer.Nested(IfLink.IFLA_LINKINFO))
        {
            if (Kind is not null)
                writer.PutText(IfLink.IFLA_INFO_KIND, Kind, MaxKind, "Link kind");
            if (HasData)
            {
                using (writer.Nested(IfLink.IFLA_INFO_DATA))
                    WriteData(writer);
            }

            if (BridgePort is null)
                return;
            writer.PutText(IfLink.IFLA_INFO_SLAVE_KIND, "bridge");
            using (writer.Nested(IfLink.IFLA_INFO_SLAVE_DATA))
                BridgePort.Write(writer);
        }
    }

    private void WriteFamilies(NetlinkWriter writer)
    {
        const ushort AF_INET6 = 10;
        if (AddressGeneration is not { } mode)
            return;
        using (writer.Nested(IfLink.IFLA_AF_SPEC))
        using (writer.Nested(AF_INET6))
            writer.PutByte(IfLink.IFLA_INET6_ADDR_GEN_MODE, (byte)mode);
    }

    private protected static void PutNumber(NetlinkWriter writer, ushort type, int? value)
    {
        if (value is { } number)
            writer.PutInt32(type, number);
    }

    private protected static void PutFlag(NetlinkWriter writer, ushort type, bool? value)
    {
        if (value is { } flag)
            writer.PutByte(type, flag ? (byte)1 : (byte)0);
    }
}
