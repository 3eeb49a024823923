using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;
using Isolation.Net.Routing;

namespace Isolation.Net.Wireguard;

/// <summary>Keys and peers of a <see cref="WireguardLink"/>: what <c>wg show</c> shows and <c>wg set</c> sets.
/// In a request null leaves a property as it is.</summary>
/// <param name="LinkIndex">The link.</param>
public sealed record WireguardDevice(int LinkIndex)
{
    /// <summary>Its private key; null where it has none.</summary>
    public WireguardKey? PrivateKey { get; init; }

    /// <summary>The public key that belongs to it: the kernel's answer. As read.</summary>
    public WireguardKey? PublicKey { get; init; }

    /// <summary>The UDP port that it listens at, in the network namespace where it was made;
    /// 0 in a request lets the kernel choose.</summary>
    public ushort? ListenPort { get; init; }

    /// <summary>The mark of the packets that it sends; 0 is none.</summary>
    public uint? Mark { get; init; }

    /// <summary>Its peers.</summary>
    public ImmutableArray<WireguardPeer> Peers { get; init; } = [];

    /// <summary>In a request: peers that are not listed are removed.</summary>
    public bool ReplacePeers { get; init; }

    /// <summary>Compares by value.</summary>
    public bool Equals(WireguardDevice? other) => other is not null && LinkIndex == other.LinkIndex && PrivateKey == other.PrivateKey
        && PublicKey == other.PublicKey && ListenPort == other.ListenPort && Mark == other.Mark
        && Peers.AsSpan().SequenceEqual(other.Peers.AsSpan()) && ReplacePeers == other.ReplacePeers;

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(LinkIndex, ListenPort, Mark, Peers.Length);

    /// <summary>The device, without its secret.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"link {LinkIndex} {PublicKey?.ToString() ?? "without a key"} port {ListenPort}{string.Concat(Peers.Select(p => "; " + p))}");

    /// <summary>Its peers in groups that each fit into a message.</summary>
    internal IEnumerable<List<(WireguardPeer Part, bool IsFirst)>> SplitPeers()
    {
        // An attribute has at most 64 KiB.
        const int MostBytes = 50_000, MostNetworks = 500;
        var group = new List<(WireguardPeer Part, bool IsFirst)>();
        int length = 0;
        foreach ((WireguardPeer part, bool isFirst) in Peers.SelectMany(p => p.Split(MostNetworks)))
        {
            if (length + part.MaxLength > MostBytes)
            {
                yield return group;
                (group, length) = ([], 0);
            }

            group.Add((part, isFirst));
            length += part.MaxLength;
        }

        yield return group;
    }

    internal void Write(NetlinkWriter writer)
    {
        if (ReplacePeers)
            writer.PutUInt32(WireguardAbi.WGDEVICE_A_FLAGS, WireguardAbi.WGDEVICE_F_REPLACE_PEERS);
        if (PrivateKey is not null)
            writer.Put(WireguardAbi.WGDEVICE_A_PRIVATE_KEY, PrivateKey.Bytes);
        if (ListenPort is { } port)
            writer.PutUInt16(WireguardAbi.WGDEVICE_A_LISTEN_PORT, port);
        if (Mark is { } mark)
            writer.PutUInt32(WireguardAbi.WGDEVICE_A_FWMARK, mark);
    }

    /// <summary>Adds what a message says to what those before it have said:
    /// a device may need several, and a peer may be in two of them.</summary>
    internal WireguardDevice With(AttributeReader reader)
    {
        WireguardDevice device = this;
        while (reader.MoveNext())
        {
            device = reader.Type switch
            {
                WireguardAbi.WGDEVICE_A_IFINDEX => device with { LinkIndex = reader.Int32 },
                WireguardAbi.WGDEVICE_A_PRIVATE_KEY => device with { PrivateKey = WireguardKey.Read(reader.Value) },
                WireguardAbi.WGDEVICE_A_PUBLIC_KEY => device with { PublicKey = WireguardKey.Read(reader.Value) },
                WireguardAbi.WGDEVICE_A_LISTEN_PORT => device with { ListenPort = reader.UInt16 },
                WireguardAbi.WGDEVICE_A_FWMARK => device with { Mark = reader.UInt32 },
                WireguardAbi.WGDEVICE_A_PEERS => device with { Peers = Join(device.Peers, reader.Nested) },
                _ => device,
            };
        }

        return device;
    }

    private static ImmutableArray<WireguardPeer> Join(ImmutableArray<WireguardPeer> known, AttributeReader reader)
    {
        ImmutableArray<WireguardPeer>.Builder peers = known.ToBuilder();
        while (reader.MoveNext())
        {
            WireguardPeer peer = WireguardPeer.Read(reader.Nested);
            if (peers.Count > 0 && peers[^1].PublicKey == peer.PublicKey)
                peers[^1] = peers[^1] with { AllowedIPs = [.. peers[^1].AllowedIPs, .. peer.AllowedIPs] };
            else
                peers.Add(peer);
        }

        return peers.ToImmutable();
    }
}
