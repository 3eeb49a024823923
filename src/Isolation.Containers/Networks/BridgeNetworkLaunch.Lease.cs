using System.Net;
using System.Net.Sockets;
using Isolation.Linux;
using Isolation.Linux.Syscalls;
using Isolation.Net.Routing;

namespace Isolation.Containers;

/// <summary>Which addresses a container gets: those that are asked for, or the lowest that nobody has.</summary>
internal sealed partial class BridgeNetworkLaunch
{
    // After the network itself, and its router.
    private const long FirstIndex = 2;

    private NetworkLease Lease(NetworkState state, RouteSocket route)
    {
        IPNetwork subnet = Network.Subnet!.Value;
        if (Settings.AddressV6 is { } wantedV6)
            CheckAddressV6(state, route, wantedV6);
        long index = Settings.Address is { } address ? IndexOf(state, route, subnet, address) : FreeIndex(state, route, subnet);
        IPAddress? v6 = Settings.AddressV6 ?? AddressV6Of(state, route, index);
        string id = Convert.ToHexStringLower(RandomSyscalls.Get(8));
        IPAddress own = BridgeNetwork.AddressAt(subnet, index);
        return new NetworkLease
        {
            Network = Network.Name,
            Index = index,
            Id = id,
            ProcessId = 0,
            StartTime = 0,
            Address = own,
            AddressV6 = v6,
            HostLink = "ve" + id[..12],
            Name = Spec.Name,
            Names = [.. NetworkFiles.Names(Spec)],
            Ports = Settings.Ports,
            HostsHead = NetworkFiles.Hosts(Spec, own, v6, Pinned),
        }.OwnedBy(Environment.ProcessId);
    }

    /// <summary>The lowest number whose addresses nobody has, of both families.</summary>
    private long FreeIndex(NetworkState state, RouteSocket route, IPNetwork subnet)
    {
        long last = Math.Min(Last(subnet), Network.SubnetV6 is { } v6 && Settings.AddressV6 is null ? Last(v6) : long.MaxValue);
        for (int attempt = 0; ; attempt++)
        {
            var taken = state.ReadIndices(Network.Name).ToHashSet();
            for (long index = FirstIndex; index <= last; index++)
            {
                if (!taken.Contains(index) && (Settings.AddressV6 is not null || Network.SubnetV6 is not { } subnetV6
                    || !IsTaken(state, route, BridgeNetwork.AddressAt(subnetV6, index))))
                    return index;
            }

            if (attempt > 0)
                throw new LinuxException("lease", $"an address of {Network.Describe()}", "RTM_NEWADDR", Errno.EADDRNOTAVAIL,
                    remedy: $"All {last - 1} addresses of {subnet} are taken.");
            Sweep(state, route, Network.Name, int.MaxValue, isKept: true);
        }
    }

    /// <summary>The IPv6 address with the same number, where that is free; the lowest free one otherwise.</summary>
    private IPAddress? AddressV6Of(NetworkState state, RouteSocket route, long index)
    {
        if (Network.SubnetV6 is not { } subnet)
            return null;
        IPAddress address = BridgeNetwork.AddressAt(subnet, index <= Last(subnet) ? index : FirstIndex);
        for (long number = FirstIndex; number <= Last(subnet) && IsTaken(state, route, address); number++)
            address = BridgeNetwork.AddressAt(subnet, number);
        return address;
    }

    private static bool IsTaken(NetworkState state, RouteSocket route, IPAddress address) =>
        Claimants(state, route, NetworkLease.AddressClaim(address)).Any();

    /// <summary>The last number of a network that a container may have: all but the network itself, and of IPv4 the broadcast
    /// address.</summary>
    internal static long Last(IPNetwork subnet)
    {
        bool v6 = subnet.BaseAddress.AddressFamily == AddressFamily.InterNetworkV6;
        int bits = (v6 ? 128 : 32) - subnet.PrefixLength;
        return bits >= 62 ? long.MaxValue : (1L << bits) - (v6 ? 1 : 2);
    }

    private long IndexOf(NetworkState state, RouteSocket route, IPNetwork subnet, IPAddress address)
    {
        if (!subnet.Contains(address))
            throw new LinuxException("lease", $"address {address} of {Network.Describe()}", "RTM_NEWADDR", Errno.EADDRNOTAVAIL,
                remedy: $"Its subnet is {subnet}.");
        long Number(IPAddress a) => System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(a.GetAddressBytes());
        long index = Number(address) - Number(subnet.BaseAddress);
        if (index < FirstIndex)
            throw new LinuxException("lease", $"address {address} of {Network.Describe()}", "RTM_NEWADDR", Errno.EADDRINUSE,
                remedy: "It is the network's own, or its router's.");
        if (index > Last(subnet))
            throw new LinuxException("lease", $"address {address} of {Network.Describe()}", "RTM_NEWADDR", Errno.EADDRNOTAVAIL,
                remedy: $"The last one for containers is {BridgeNetwork.AddressAt(subnet, Last(subnet))}.");
        return state.FindLease(Network.Name, index) is { } other && !IsDropped(state, route, other) ? throw InUse(address, other) : index;
    }

    private LinuxException InUse(IPAddress address, NetworkLease other) =>
        new("lease", $"address {address} of {Network.Describe()}", "RTM_NEWADDR", Errno.EADDRINUSE,
            remedy: $"Container {other.Names.FirstOrDefault(other.Id)} has it.");

    private void CheckAddressV6(NetworkState state, RouteSocket route, IPAddress address)
    {
        string? problem = Network.SubnetV6 is not { } subnet ? $"Network \"{Network.Name}\" has no IPv6."
            : !subnet.Contains(address) ? $"Its subnet is {subnet}."
            : address.Equals(subnet.BaseAddress) || address.Equals(Network.GatewayV6) ? "It is the network's own, or its router's." : null;
        if (problem is not null)
            throw new LinuxException("lease", $"address {address} of {Network.Describe()}", "RTM_NEWADDR", Network.SubnetV6 is null
                ? Errno.EAFNOSUPPORT : Errno.EADDRNOTAVAIL, remedy: problem);
        if (Claimants(state, route, NetworkLease.AddressClaim(address)).FirstOrDefault() is { } other)
            throw InUse(address, other);
    }
}
