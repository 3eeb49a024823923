using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using Isolation.Containers;
using Isolation.Linux;

namespace Isolation.Launcher;

/// <summary><c>isolation network create|ls|inspect|rm</c>.</summary>
internal static class NetworkCommand
{
    internal static readonly ImmutableArray<Flag> CreateFlags =
    [
        new Flag<BridgeNetwork>("--subnet --subnet-v6", "NET", "addresses, such as 10.90.0.0/24 or fd00:90::/64 (default: free ones)",
            WithSubnet),
        new Flag<BridgeNetwork>("--mtu", "BYTES", "largest packet", (n, v) => n with { Mtu = ParseMtu(v) }),
        Flag<BridgeNetwork>.Switch("--internal", "no way to other networks", (n, on) => n with { Internal = on }),
        Flag<BridgeNetwork>.Switch("--no-ipv6", "no addresses of IPv6", (n, on) => n with { IPv6 = !on }),
    ];

    internal static async Task<int> CreateAsync(CommandLine line)
    {
        BridgeNetwork network = line.Apply(new BridgeNetwork("")) with { Name = line.Operands[0] };
        if (network.Name.Length == 0)
            throw new UsageException("network create takes a name.");
        // The rules of a network are those of a container on it.
        try
        {
            new ContainerBuilder(Rootfs.Host).WithNetwork(network).Build();
        }
        catch (SpecException e)
        {
            throw new FormatException(e.Message);
        }

        BridgeNetwork made = ContainerNetworks.Create(network);
        await StandardStreams.Output.WriteLineAsync(made.Name);
        return 0;
    }

    private static int ParseMtu(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int mtu)
        ? mtu : throw new FormatException($"\"{text}\" is not a number of bytes, which --mtu takes.");

    private static BridgeNetwork WithSubnet(BridgeNetwork network, string text)
    {
        if (!IPNetwork.TryParse(text, out IPNetwork subnet))
            throw new FormatException($"\"{text}\" is not a network, such as 10.90.0.0/24: its bits behind the prefix must be zero.");
        return subnet.BaseAddress.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6
            ? network with { SubnetV6 = subnet }
            : network with { Subnet = subnet };
    }

    internal static async Task<int> ListAsync(CommandLine line)
    {
        ImmutableArray<ContainerNetworkState> all = ContainerNetworks.List();
        await StandardStreams.Output.WriteLineAsync($"{"NAME",-24} {"SUBNET",-18} {"SUBNET V6",-28} {"BRIDGE",-16} CONTAINERS");
        foreach (ContainerNetworkState state in all)
        {
            BridgeNetwork network = state.Network;
            await StandardStreams.Output.WriteLineAsync($"{network.Name,-24} {network.Subnet?.ToString() ?? "-",-18} "
                + $"{network.SubnetV6?.ToString() ?? "-",-28} {(state.InUse ? network.Link : "-"),-16} {state.Containers.Length}");
        }

        return 0;
    }

    internal static async Task<int> InspectAsync(CommandLine line)
    {
        foreach (ContainerNetworkState state in line.Operands.Select(ContainerNetworks.Get))
        {
            await StandardStreams.Output.WriteAsync(state.ToString());
            foreach ((string name, IPAddress address, IPAddress? v6, int process) in state.Containers)
                await StandardStreams.Output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture,
                    $"{name} {address} {v6?.ToString() ?? "-"} pid {process}"));
        }

        return 0;
    }

    internal static Task<int> RemoveAsync(CommandLine line)
    {
        foreach (string name in line.Operands)
            ContainerNetworks.Remove(name);
        return Task.FromResult(0);
    }
}
