using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;
using Isolation.Net.Routing;

namespace Isolation.Net.Wireguard;

/// <summary>Another end of a WireGuard tunnel.</summary>
/// <param name="PublicKey">Its public key, by which it is known.</param>
public sealed record WireguardPeer(WireguardKey PublicKey)
{
    private const int SockaddrV4Length = 16, SockaddrV6Length = 28;

    /// <summary>The key that both share beforehand; null for none, or in a request to leave it as it is.</summary>
    public WireguardKey? PresharedKey { get; init; }

    /// <summary>Where it is; null where that is learnt from what it sends, or in a request to leave it as it is.</summary>
    public IPEndPoint? Endpoint { get; init; }

    /// <summary>How often something is sent to it so that translators of addresses keep the way open, in whole seconds;
    /// zero for never, null in a request to leave it as it is.</summary>
    public TimeSpan? PersistentKeepalive { get; init; }

    /// <summary>What it may send from, and what is sent to it. In a request they replace those that it had.</summary>
    public ImmutableArray<IPNetwork> AllowedIPs { get; init; } = [];

    /// <summary>When it last proved who it is; null for never. As read.</summary>
    public DateTimeOffset? LastHandshake { get; init; }

    /// <summary>The bytes that were received from it. As read.</summary>
    public ulong ReceivedBytes { get; init; }

    /// <summary>The bytes that were sent to it. As read.</summary>
    public ulong SentBytes { get; init; }

    /// <summary>In a request: remove it.</summary>
    public bool Remove { get; init; }

    /// <summary>Compares by value.</summary>
    public bool Equals(WireguardPeer? other) => other is not null && PublicKey == other.PublicKey && PresharedKey == other.PresharedKey
        && Equals(Endpoint, other.Endpoint) && PersistentKeepalive == other.PersistentKeepalive
        && AllowedIPs.AsSpan().SequenceEqual(other.AllowedIPs.AsSpan()) && LastHandshake == other.LastHandshake
        && ReceivedBytes == other.ReceivedBytes && SentBytes == other.SentBytes && Remove == other.Remove;

    /// <inheritdoc/>
    public override int GetHashCode() => PublicKey.GetHashCode();

    /// <summary>The peer, without its secret.</summary>
    public override string ToString() => $"peer {PublicKey}{(Endpoint is null ? "" : $" at {Endpoint}")} "
        + $"allowed {(AllowedIPs.IsEmpty ? "nothing" : string.Join(", ", AllowedIPs))}";

    /// <summary>The most bytes that it needs in a message.</summary>
    internal int MaxLength => 140 + (40 * AllowedIPs.Length);

    /// <summary>The peer in parts that each fit into a message: the first has all but the networks that did not fit.</summary>
    internal IEnumerable<(WireguardPeer Part, bool IsFirst)> Split(int networks)
    {
        yield return (this with { AllowedIPs = [.. AllowedIPs.Take(networks)] }, true);
        for (int i = networks; i < AllowedIPs.Length; i += networks)
            yield return (new WireguardPeer(PublicKey) { AllowedIPs = [.. AllowedIPs.Skip(i).Take(networks)] }, false);
    }

    internal void Write(NetlinkWriter writer, bool isFirst)
    {
        using NetlinkWriter.NestedAttribute peer = writer.Nested(0);
        writer.Put(WireguardAbi.WGPEER_A_PUBLIC_KEY, PublicKey.Bytes);
        if (isFirst)
            writer.PutUInt32(WireguardAbi.WGPEER_A_FLAGS,
                Remove ? WireguardAbi.WGPEER_F_REMOVE_ME : WireguardAbi.WGPEER_F_REPLACE_ALLOWEDIPS);
        if (Remove)
            return;
        if (PresharedKey is not null)
            writer.Put(WireguardAbi.WGPEER_A_PRESHARED_KEY, PresharedKey.Bytes);
        if (Endpoint is not null)
            WriteEndpoint(writer, Endpoint);
        if (PersistentKeepalive is { } interval)
            writer.PutUInt16(WireguardAbi.WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, Seconds(interval));
        using NetlinkWriter.NestedAttribute allowed = writer.Nested(WireguardAbi.WGPEER_A_ALLOWEDIPS);
        foreach (IPNetwork network in AllowedIPs)
        {
            using NetlinkWriter.NestedAttribute element = writer.Nested(0);
            writer.PutUInt16(WireguardAbi.WGALLOWEDIP_A_FAMILY, AddressText.Family(network.BaseAddress));
            writer.PutAddress(WireguardAbi.WGALLOWEDIP_A_IPADDR, network.BaseAddress);
            writer.PutByte(WireguardAbi.WGALLOWEDIP_A_CIDR_MASK, (byte)network.PrefixLength);
        }
    }

    internal static WireguardPeer Read(AttributeReader reader)
    {
        WireguardKey? key = null;
        var peer = new WireguardPeer(new WireguardKey(new byte[WireguardAbi.WG_KEY_LEN]));
        while (reader.MoveNext())
        {
            peer = reader.Type switch
            {
                WireguardAbi.WGPEER_A_PUBLIC_KEY => peer with { PublicKey = key = WireguardKey.Read(reader.Value) ?? peer.PublicKey },
                WireguardAbi.WGPEER_A_PRESHARED_KEY => peer with { PresharedKey = WireguardKey.Read(reader.Value) },
                WireguardAbi.WGPEER_A_ENDPOINT => peer with { Endpoint = ReadEndpoint(reader.Value) },
                WireguardAbi.WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL =>
                    peer with { PersistentKeepalive = TimeSpan.FromSeconds(reader.UInt16) },
                WireguardAbi.WGPEER_A_LAST_HANDSHAKE_TIME => peer with { LastHandshake = ReadTime(reader.Struct(16)) },
                WireguardAbi.WGPEER_A_RX_BYTES => peer with { ReceivedBytes = reader.UInt64 },
                WireguardAbi.WGPEER_A_TX_BYTES => peer with { SentBytes = reader.UInt64 },
                WireguardAbi.WGPEER_A_ALLOWEDIPS => peer with { AllowedIPs = ReadAllowed(reader.Nested) },
                _ => peer,
            };
        }

        return key is not null ? peer : throw NetlinkException.Malformed("A peer of WireGuard has no public key.");
    }

    private static ushort Seconds(TimeSpan interval) => interval.TotalSeconds is >= 0 and <= ushort.MaxValue
        ? (ushort)interval.TotalSeconds
        : throw new ArgumentException(
            $"Something can be sent every 1 to {ushort.MaxValue} seconds, or with 0 never; not every {interval}.");

    private static void WriteEndpoint(NetlinkWriter writer, IPEndPoint endpoint)
    {
        bool v6 = endpoint.AddressFamily == AddressFamily.InterNetworkV6;
        // struct sockaddr_in { family, port, address, padding }; struct sockaddr_in6 { family, port, flow, address, scope }
        Span<byte> address = stackalloc byte[v6 ? SockaddrV6Length : SockaddrV4Length];
        address.Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(address, AddressText.Family(endpoint.Address));
        BinaryPrimitives.WriteUInt16BigEndian(address[2..], (ushort)endpoint.Port);
        endpoint.Address.TryWriteBytes(address[(v6 ? 8 : 4)..], out _);
        if (v6)
            BinaryPrimitives.WriteUInt32LittleEndian(address[24..], (uint)endpoint.Address.ScopeId);
        writer.Put(WireguardAbi.WGPEER_A_ENDPOINT, address);
    }

    private static IPEndPoint ReadEndpoint(ReadOnlySpan<byte> address)
    {
        if (address.Length is not (SockaddrV4Length or SockaddrV6Length))
            throw NetlinkException.Malformed($"An endpoint of WireGuard has {address.Length} bytes.");
        int port = BinaryPrimitives.ReadUInt16BigEndian(address[2..]);
        return address.Length == SockaddrV4Length
            ? new IPEndPoint(new IPAddress(address[4..8]), port)
            : new IPEndPoint(new IPAddress(address[8..24], BinaryPrimitives.ReadUInt32LittleEndian(address[24..])), port);
    }

    private static DateTimeOffset? ReadTime(ReadOnlySpan<byte> time)
    {
        long seconds = BinaryPrimitives.ReadInt64LittleEndian(time), nanoseconds = BinaryPrimitives.ReadInt64LittleEndian(time[8..]);
        if (seconds == 0 && nanoseconds == 0)
            return null;
        return seconds >= 0 && seconds <= DateTimeOffset.MaxValue.ToUnixTimeSeconds() && nanoseconds is >= 0 and < 1_000_000_000
            ? DateTimeOffset.FromUnixTimeSeconds(seconds).AddTicks(nanoseconds / 100)
            : throw NetlinkException.Malformed($"A handshake of WireGuard was at {seconds} s and {nanoseconds} ns.");
    }

    private static ImmutableArray<IPNetwork> ReadAllowed(AttributeReader reader)
    {
        var found = ImmutableArray.CreateBuilder<IPNetwork>();
        while (reader.MoveNext())
        {
            AttributeReader inner = reader.Nested;
            IPAddress? address = null;
            int length = 0;
            while (inner.MoveNext())
            {
                if (inner.Type == WireguardAbi.WGALLOWEDIP_A_IPADDR)
                    address = inner.IPAddress;
                else if (inner.Type == WireguardAbi.WGALLOWEDIP_A_CIDR_MASK)
                    length = inner.Byte;
            }

            found.Add(Route.Network(address ?? throw NetlinkException.Malformed("An allowed network of WireGuard has no address."),
                length));
        }

        return found.ToImmutable();
    }
}
