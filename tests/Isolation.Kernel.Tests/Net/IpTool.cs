using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Text.Json;
using Isolation.Net.Routing;

namespace Isolation.Kernel.Tests.Net;

/// <summary>What ip(8) is told to make the same as a record, and a record from what it prints.</summary>
internal static class IpTool
{
    internal static string[] AddLink(Link link, Func<int, string> nameOf)
    {
        var arguments = new List<string> { "link", "add" };
        if (link.ParentIndex is { } parent)
            arguments.AddRange(["link", nameOf(parent)]);
        arguments.AddRange(["name", link.Name!]);
        void Add(string word, object? value)
        {
            if (value is not null)
                arguments.AddRange([word, Convert.ToString(value, CultureInfo.InvariantCulture)!]);
        }

        Add("mtu", link.Mtu);
        Add("txqueuelen", link.TransmitQueueLength);
        Add("address", link.Address is null ? null : Mac(link.Address));
        Add("numtxqueues", link.TransmitQueues);
        Add("type", link.Kind);
        string OnOff(bool value) => value ? "1" : "0";
        switch (link)
        {
            case VethLink { Peer: { } peer }:
                Add("peer", "name");
                arguments.Add(peer.Name!);
                Add("mtu", peer.Mtu);
                Add("address", peer.Address is null ? null : Mac(peer.Address));
                break;
            case BridgeLink bridge:
                Add("forward_delay", bridge.ForwardDelayHundredths);
                Add("hello_time", bridge.HelloTimeHundredths);
                Add("max_age", bridge.MaxAgeHundredths);
                Add("ageing_time", (long?)bridge.AgeingTime?.TotalMilliseconds / 10);
                Add("stp_state", bridge.Stp is { } stp ? OnOff(stp) : null);
                Add("priority", bridge.Priority);
                Add("vlan_filtering", bridge.VlanFiltering is { } filtering ? OnOff(filtering) : null);
                Add("vlan_default_pvid", bridge.DefaultPvid);
                Add("mcast_snooping", bridge.MulticastSnooping is { } snooping ? OnOff(snooping) : null);
                Add("group_fwd_mask", bridge.GroupForwardMask);
                break;
            case MacvlanLink macvlan:
                Add("mode", macvlan.Mode?.ToString().ToLowerInvariant());
                break;
            case IpvlanLink ipvlan:
                Add("mode", ipvlan.Mode?.ToString().ToLowerInvariant());
                if (ipvlan.Isolation is { } isolation)
                    arguments.Add(isolation.ToString().ToLowerInvariant());
                break;
            case VlanLink vlan:
                Add("protocol", vlan.Protocol == 0x88a8 ? "802.1ad" : vlan.Protocol is null ? null : "802.1q");
                Add("id", vlan.Id);
                break;
            case VrfLink vrf:
                Add("table", vrf.Table);
                break;
            case VxlanLink vxlan:
                Add("id", vxlan.Id);
                Add("remote", vxlan.Remote);
                Add("local", vxlan.Local);
                Add("dstport", vxlan.Port);
                Add("ttl", vxlan.TimeToLive);
                Add("ageing", vxlan.AgeingSeconds);
                if (vxlan.Learning is { } learning)
                    arguments.Add(learning ? "learning" : "nolearning");
                break;
        }

        return [.. arguments];
    }

    internal static Link ReadLink(JsonElement json, Func<string, int> indexOf)
    {
        JsonElement? info = json.TryGetProperty("linkinfo", out JsonElement found) ? found : null;
        string? kind = info is { } i && i.TryGetProperty("info_kind", out JsonElement k) ? k.GetString() : null;
        JsonElement data = info is { } d && d.TryGetProperty("info_data", out JsonElement options) ? options : default;
        Link link = kind switch
        {
            "veth" => new VethLink(),
            "dummy" => new DummyLink(),
            "ifb" => new IfbLink(),
            "bridge" => new BridgeLink
            {
                ForwardDelayHundredths = (uint?)Number(data, "forward_delay"),
                HelloTimeHundredths = (uint?)Number(data, "hello_time"),
                MaxAgeHundredths = (uint?)Number(data, "max_age"),
                AgeingTime = TimeSpan.FromMilliseconds(Number(data, "ageing_time")!.Value * 10),
                Stp = Number(data, "stp_state") is { } stp ? stp != 0 : null,
                Priority = (ushort?)Number(data, "priority"),
                VlanFiltering = Number(data, "vlan_filtering") is { } vlan ? vlan != 0 : null,
                DefaultPvid = (ushort?)Number(data, "vlan_default_pvid"),
                MulticastSnooping = Number(data, "mcast_snooping") is { } mcast ? mcast != 0 : null,
                GroupForwardMask = Convert.ToUInt16(data.GetProperty("group_fwd_mask").GetString()!, 16),
            },
            "macvlan" => new MacvlanLink { Mode = Enum.Parse<MacvlanMode>(Text(data, "mode")!, ignoreCase: true) },
            "ipvlan" => new IpvlanLink { Mode = Enum.Parse<IpvlanMode>(Text(data, "mode")!, ignoreCase: true) },
            "vlan" => new VlanLink
            {
                Id = (int?)Number(data, "id"),
                Protocol = Text(data, "protocol") == "802.1ad" ? (ushort)0x88a8 : (ushort)0x8100
            },
            "vrf" => new VrfLink { Table = (uint?)Number(data, "table") },
            "vxlan" => new VxlanLink
            {
                Id = (uint?)Number(data, "id"),
                Remote = (Text(data, "remote") ?? Text(data, "remote6")) is { } remote ? IPAddress.Parse(remote) : null,
                Local = (Text(data, "local") ?? Text(data, "local6")) is { } local ? IPAddress.Parse(local) : null,
                Port = (ushort?)Number(data, "port"),
                TimeToLive = (byte?)Number(data, "ttl"),
                AgeingSeconds = (uint?)Number(data, "ageing"),
                Learning = data.GetProperty("learning").GetBoolean(),
            },
            null => new Link(),
            _ => new Link { Kind = kind },
        };
        string[] flags = [.. json.GetProperty("flags").EnumerateArray().Select(f => f.GetString()!)];
        return link with
        {
            Index = (int)Number(json, "ifindex")!,
            Name = Text(json, "ifname"),
            Mtu = (int?)Number(json, "mtu"),
            TransmitQueueLength = (int?)Number(json, "txqlen"),
            TransmitQueues = (int?)Number(json, "num_tx_queues"),
            Address = Text(json, "address") is { } address && json.GetProperty("link_type").GetString() != "none"
                ? PhysicalAddress.Parse(address)
                : null,
            Master = Text(json, "master") is { } master ? indexOf(master) : null,
            Alias = Text(json, "ifalias"),
            Qdisc = Text(json, "qdisc"),
            Up = flags.Contains("UP"),
            Arp = !flags.Contains("NOARP"),
            Multicast = flags.Contains("MULTICAST"),
        };
    }

    internal static Address ReadAddress(int linkIndex, JsonElement json) => new(linkIndex, IPAddress.Parse(Text(json, "local")!),
        (int)Number(json, "prefixlen")!)
    {
        Broadcast = Text(json, "broadcast") is { } broadcast ? IPAddress.Parse(broadcast) : null,
        Label = Text(json, "label"),
        Scope = Text(json, "scope") switch
        {
            "global" => RouteScope.Universe,
            "link" => RouteScope.Link,
            "host" => RouteScope.Host,
            _ => RouteScope.Site
        },
        Metric = (uint?)Number(json, "metric"),
        Peer = Text(json, "address") is { } peer ? IPAddress.Parse(peer) : null,
    };

    internal static Route ReadRoute(JsonElement json, bool v6, Func<string, int> indexOf)
    {
        string destination = Text(json, "dst")!;
        IPNetwork network = destination == "default" ? (v6 ? Route.DefaultIPv6 : Route.DefaultIPv4)
            : destination.Contains('/') ? IPNetwork.Parse(destination) : new IPNetwork(IPAddress.Parse(destination), v6 ? 128 : 32);
        JsonElement metrics = json.TryGetProperty("metrics", out JsonElement m) && m.GetArrayLength() > 0 ? m[0] : default;
        return new Route(network)
        {
            Type = Text(json, "type") is { } type ? Enum.Parse<RouteType>(type, ignoreCase: true) : RouteType.Unicast,
            Gateway = Text(json, "gateway") is { } gateway ? IPAddress.Parse(gateway)
                : json.TryGetProperty("via", out JsonElement via) ? IPAddress.Parse(Text(via, "host")!)
                : null,
            LinkIndex = Text(json, "dev") is { } dev ? indexOf(dev) : null,
            PreferredSource = Text(json, "prefsrc") is { } source ? IPAddress.Parse(source) : null,
            Metric = (uint?)Number(json, "metric"),
            Protocol = Text(json, "protocol") switch
            {
                "kernel" => RouteProtocol.Kernel,
                "boot" => RouteProtocol.Boot,
                "static" => RouteProtocol.Static,
                _ => RouteProtocol.Unspecified
            },
            OnLink = json.GetProperty("flags").EnumerateArray().Any(f => f.GetString() == "onlink"),
            Metrics = metrics.ValueKind == JsonValueKind.Undefined ? null : new RouteMetrics
            {
                Mtu = (uint?)Number(metrics, "mtu"),
                AdvertisedMss = (uint?)Number(metrics, "advmss"),
                Window = (uint?)Number(metrics, "window"),
                InitialCongestionWindow = (uint?)Number(metrics, "initcwnd"),
            },
            Multipath = json.TryGetProperty("nexthops", out JsonElement hops)
                ? [.. hops.EnumerateArray().Select(h => new RouteHop(Text(h, "gateway") is { } g ? IPAddress.Parse(g) : null,
                    indexOf(Text(h, "dev")!), (int)Number(h, "weight")!))] : [],
        };
    }

    internal static string Mac(PhysicalAddress address) => string.Join(':', address.GetAddressBytes().Select(b => b.ToString("x2")));

    internal static long? Number(JsonElement json, string name) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out JsonElement value)
            && value.ValueKind == JsonValueKind.Number ? (long)value.GetDouble() : null;

    internal static string? Text(JsonElement json, string name) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out JsonElement value)
            && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
