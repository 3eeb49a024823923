using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;
using Isolation.Net.Routing;

namespace Isolation.Net.Wireguard;

/// <summary>Sets and reads keys and peers of WireGuard's links, as wg(8) does. Since Linux 5.6.</summary>
/// <remarks>The link itself is a <see cref="WireguardLink"/>. Needs <c>CAP_NET_ADMIN</c> in the user namespace that owns the network.
/// Not for several threads at once.</remarks>
/// <example><code>
/// route.Add(new WireguardLink { Name = "wg0" });
/// using WireguardSocket wireguard = WireguardSocket.Open();
/// wireguard.Set(new WireguardDevice(route.GetLink("wg0").Index)
/// {
///     PrivateKey = WireguardKey.GeneratePrivate(),
///     ListenPort = 51820,
///     Peers = [new WireguardPeer(peer) { Endpoint = IPEndPoint.Parse("192.0.2.7:51820"), AllowedIPs = [IPNetwork.Parse("10.7.0.0/24")] }],
/// });
/// </code></example>
public sealed class WireguardSocket : IDisposable
{
    private readonly NetlinkSocket _socket;
    private readonly NetlinkWriter _writer = new();
    private readonly ushort _family;

    internal WireguardSocket(NetlinkSocket socket)
    {
        _socket = socket;
        _socket.IsWireguard = true;
        _family = FindFamily();
    }

    /// <summary>Opens a socket.</summary>
    /// <param name="networkNamespace">The network namespace:
    /// a descriptor of it, or a pidfd of a process in it; null for the caller's.</param>
    /// <exception cref="LinuxException"><c>ENOENT</c>: the kernel has no WireGuard.
    /// <c>EPERM</c>: no <c>CAP_SYS_ADMIN</c> over that network namespace.</exception>
    public static WireguardSocket Open(LinuxHandle? networkNamespace = null)
    {
        NetlinkSocket socket = NetlinkSocket.Open(NetlinkProtocol.Generic, networkNamespace);
        try
        {
            return new WireguardSocket(socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Sets what is not null, and adds, changes and removes peers. Some hundred peers are one request;
    /// more are several, of which one may fail.</summary>
    /// <exception cref="NetlinkException"><c>ENODEV</c>: there is no such link. <c>EOPNOTSUPP</c>: it is no WireGuard link.
    /// <c>EADDRINUSE</c>: the port is taken.</exception>
    public void Set(WireguardDevice device)
    {
        ArgumentNullException.ThrowIfNull(device);
        bool isFirst = true;
        foreach (List<(WireguardPeer Part, bool IsFirst)> group in device.SplitPeers())
        {
            Begin(_family, WireguardAbi.WG_CMD_SET_DEVICE, WireguardAbi.WG_GENL_VERSION);
            _writer.PutInt32(WireguardAbi.WGDEVICE_A_IFINDEX, device.LinkIndex);
            if (isFirst)
                device.Write(_writer);
            using (_writer.Nested(WireguardAbi.WGDEVICE_A_PEERS))
            {
                foreach ((WireguardPeer part, bool isPartFirst) in group)
                    part.Write(_writer, isPartFirst);
            }

            _writer.End();
            _socket.Execute(_writer, "set up", Subject(device.LinkIndex));
            isFirst = false;
        }
    }

    /// <summary>Reads a link's keys and peers, its secrets too.</summary>
    /// <exception cref="NetlinkException"><c>ENODEV</c>: there is no such link. <c>EOPNOTSUPP</c>: it is no WireGuard link.</exception>
    public WireguardDevice Read(int linkIndex)
    {
        Begin(_family, WireguardAbi.WG_CMD_GET_DEVICE, WireguardAbi.WG_GENL_VERSION);
        _writer.PutInt32(WireguardAbi.WGDEVICE_A_IFINDEX, linkIndex);
        _writer.End();
        var found = new List<WireguardDevice>();
        _socket.Dump(_writer, "read", Subject(linkIndex), found, static f => f.Clear(), static (_, payload, f) =>
        {
            WireguardDevice whole = (f.Count > 0 ? f[0] : new WireguardDevice(0)).With(Attributes(payload));
            f.Clear();
            f.Add(whole);
        });
        return found.Count > 0 ? found[0] : throw NetlinkException.Malformed("The kernel says nothing of the WireGuard link.");
    }

    /// <summary>Closes the socket.</summary>
    public void Dispose() => _socket.Dispose();

    internal static AttributeReader Attributes(ReadOnlySpan<byte> payload) =>
        payload.Length >= 4
            ? new AttributeReader(payload[4..])
            : throw NetlinkException.Malformed($"A message of generic netlink has {payload.Length} bytes.");

    private static string Subject(int linkIndex) => System.FormattableString.Invariant($"WireGuard link {linkIndex}");

    // Families are numbered as they are registered; asking loads the module.
    private ushort FindFamily()
    {
        Begin(Genetlink.GENL_ID_CTRL, Genetlink.CTRL_CMD_GETFAMILY, version: 1);
        _writer.PutText(Genetlink.CTRL_ATTR_FAMILY_NAME, "wireguard");
        _writer.End();
        var found = new List<ushort>();
        _socket.Execute(_writer, "find", "WireGuard", found, static (_, payload, f) =>
        {
            AttributeReader reader = Attributes(payload);
            while (reader.MoveNext())
            {
                if (reader.Type == Genetlink.CTRL_ATTR_FAMILY_ID)
                    f.Add(reader.UInt16);
            }
        });
        return found.Count > 0 ? found[0] : throw NetlinkException.Malformed("The kernel gives WireGuard no number.");
    }

    private void Begin(ushort family, byte command, byte version)
    {
        Span<byte> header = [command, version, 0, 0];
        _writer.Clear();
        _writer.Begin(family, 0, header);
    }
}
