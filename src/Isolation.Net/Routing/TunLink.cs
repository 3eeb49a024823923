using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

/// <summary>A tun or tap device, as read. It is made by <see cref="TunDevice"/>, not by a request: the kernel has no other way.</summary>
public sealed record TunLink : Link
{
    /// <summary>Initialises one.</summary>
    public TunLink() => Kind = "tun";

    /// <summary>Whether it carries Ethernet frames: tap; else IP packets: tun.</summary>
    public bool IsTap { get; init; }

    /// <summary>Whether it stays without a process that has it open.</summary>
    public bool Persistent { get; init; }

    /// <summary>The user who may open it; null for whoever has CAP_NET_ADMIN.</summary>
    public uint? Owner { get; init; }

    internal static TunLink ReadData(AttributeReader data)
    {
        const byte Tap = 2;
        var link = new TunLink();
        while (data.MoveNext())
        {
            link = data.Type switch
            {
                IfLink.IFLA_TUN_TYPE => link with { IsTap = data.Byte == Tap },
                IfLink.IFLA_TUN_PERSIST => link with { Persistent = data.Byte != 0 },
                IfLink.IFLA_TUN_OWNER => link with { Owner = data.UInt32 },
                _ => link,
            };
        }

        return link;
    }
}
