using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using Isolation.Containers;
using Isolation.Linux;

namespace Isolation.Launcher;

/// <summary><c>isolation network create|ls|inspect|rm</c>.</summary>
internal static class NetworkCommand
{
    internal static async Task<int> RunAsync(string[] arguments)
    {
        try
        {
            return arguments switch
            {
                ["create", .. var rest] => await CreateAsync(rest),
                ["ls"] => await ListAsync(),
                ["inspect", .. var names] when names.Length > 0 => await InspectAsync(names),
                ["rm", .. var names] when names.Length > 0 => Remove(names),
                _ => throw new UsageException("network takes create [FLAGS] NAME, ls, inspect NAME... or rm NAME...; the flags are --subnet, --subnet-v6, --mtu, --internal and --no-ipv6."),
            };
        }
        catch (Exception e) when (e is LinuxException or ArgumentException or FormatException)
        {
            await Console.Error.WriteLineAsync("isolation: " + RunFlags.Reason(e));
            return Program.Failed;
        }
    }

    private static async Task<int> CreateAsync(string[] arguments)
    {
        var network = new BridgeNetwork("");
        for (int i = 0; i < arguments.Length; i++)
        {
            (string name, string? inline) = RunFlags.SplitFlag(arguments[i]);
            string Value() => inline ?? (++i < arguments.Length ? arguments[i] : throw new UsageException($"The flag {name} needs a value."));
            network = name switch
            {
                "--subnet" => WithSubnet(network, Value()),
                "--subnet-v6" => WithSubnet(network, Value()),
                "--mtu" => network with { Mtu = int.Parse(Value(), NumberStyles.None, CultureInfo.InvariantCulture) },
                "--internal" => network with { Internal = true },
                "--no-ipv6" => network with { IPv6 = false },
                _ when name.StartsWith('-') => throw new UsageException($"network create has no flag {name}."),
                _ when network.Name.Length > 0 => throw new UsageException("network create takes one name."),
                _ => network with { Name = name },
            };
        }

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
        await Console.Out.WriteLineAsync(made.Name);
        return 0;
    }

    private static BridgeNetwork WithSubnet(BridgeNetwork network, string text)
    {
        if (!IPNetwork.TryParse(text, out IPNetwork subnet))
            throw new FormatException($"\"{text}\" is not a network, such as 10.90.0.0/24: its bits behind the prefix must be zero.");
        return subnet.BaseAddress.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? network with { SubnetV6 = subnet } : network with { Subnet = subnet };
    }

    private static async Task<int> ListAsync()
    {
        await Console.Out.WriteLineAsync($"{"NAME",-24} {"SUBNET",-18} {"SUBNET V6",-28} {"BRIDGE",-16} CONTAINERS");
        foreach (ContainerNetworkState state in ContainerNetworks.List())
        {
            BridgeNetwork network = state.Network;
            await Console.Out.WriteLineAsync($"{network.Name,-24} {network.Subnet?.ToString() ?? "-",-18} {network.SubnetV6?.ToString() ?? "-",-28} {(state.InUse ? network.Link : "-"),-16} {state.Containers.Length}");
        }

        return 0;
    }

    private static async Task<int> InspectAsync(string[] names)
    {
        foreach (ContainerNetworkState state in names.Select(ContainerNetworks.Get))
        {
            await Console.Out.WriteAsync(state.ToString());
            foreach ((string name, IPAddress address, IPAddress? v6, int process) in state.Containers)
                await Console.Out.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{name} {address} {v6?.ToString() ?? "-"} pid {process}"));
        }

        return 0;
    }

    private static int Remove(string[] names)
    {
        foreach (string name in names)
            ContainerNetworks.Remove(name);
        return 0;
    }
}
