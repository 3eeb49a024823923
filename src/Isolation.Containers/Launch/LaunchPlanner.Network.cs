using System.Collections.Immutable;
using System.Text;
using Isolation.Linux;
using Isolation.Linux.Programs;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Containers;

/// <summary>The network: leased before the clone, connected while the child waits. Its files are mounts like all others.</summary>
internal sealed partial class LaunchPlanner
{
    internal const string LeaseNetwork = "lease an address of", ConnectNetwork = "connect to";

    private static readonly BindMount s_hosts = new("(hosts of the network)", "/etc/hosts", MountFlags.ReadOnly | MountFlags.NoSuid | MountFlags.NoDev | MountFlags.NoExec);

    private Slot? _hostsTree;

    private bool HasNetwork => _spec.Network.Network is not null || _spec.Network.Egress is not null;

    /// <summary>Adds /etc/hosts, /etc/resolv.conf and /etc/hostname, unless something else is mounted there.</summary>
    private ContainerSpec WithNetworkFiles(ContainerSpec spec)
    {
        ImmutableArray<System.Net.IPAddress> servers = spec.Network.Network is UserModeNetwork user ? UserModeLaunch.NameServers(user, _facts) : _facts.NameServers;
        NetworkSettings settings = spec.Network;
        if (settings.Network is null && settings.Hosts.IsEmpty && settings.NameServers.IsEmpty)
            return spec;
        var files = ImmutableArray.CreateBuilder<Mount>();
        // Others of a bridge network come and go; their names are kept up by whoever starts and ends them.
        if (settings.Network is BridgeNetwork)
            files.Add(s_hosts);
        else
            files.Add(TextFile("/etc/hosts", NetworkFiles.Hosts(spec, null, null, ImmutableSortedDictionary<string, ImmutableArray<System.Net.IPAddress>>.Empty)));
        files.Add(TextFile("/etc/resolv.conf", NetworkFiles.ResolvConf(settings, servers)));
        if (spec.HostName is { } host)
            files.Add(TextFile("/etc/hostname", host + "\n"));
        return spec with { Mounts = [.. spec.Mounts, .. files.Where(f => spec.Mounts.All(m => m.Destination != f.Destination))] };
    }

    private static FileMount TextFile(string path, string text) => new(path, [.. Encoding.UTF8.GetBytes(text)], 0b110_100_100);

    private void RequirePossibleNetwork()
    {
        if (!HasNetwork)
            return;
        if (!Owns(NamespaceKinds.Net) || _join.NeedsClone)
        {
            throw new SpecException(new SpecFault("network", !Owns(NamespaceKinds.Net) ? "needs a network namespace of the container's own" : "cannot be given to a container that joins a PID or user namespace",
                _spec.Network.Network?.Describe()));
        }

        if (_spec.Network.Network is null)
            return;
        if (_spec.Network.Network is UserModeNetwork user)
        {
            UserModeLaunch.Choose(user, _facts);
            return;
        }

        if (!_facts.IsPrivileged || !_facts.Capabilities.Contains(Capability.NetAdmin))
        {
            throw new KernelFeatureException(_spec.Network.Network.Describe(), "this process lacks CAP_SYS_ADMIN or CAP_NET_ADMIN, and could make no link of the host",
                "Run as root, or use the user-mode network: --network pasta.");
        }
    }

    private void AddNetworkLease()
    {
        if (_spec.Network.Network is not BridgeNetwork network)
            return;
        Add(StepSide.Parent, new PlanStep(LeaseNetwork, network.Describe(), []));
        if (!_spec.Mounts.Contains(s_hosts))
            return;
        _hostsTree = new Slot("hosts");
        _mounts.OpenedTrees[s_hosts] = _hostsTree;
    }

    private void AddNetworkConnection()
    {
        if (!HasNetwork)
            return;
        var parts = new List<string>();
        if (_spec.Network.Egress is { } egress)
            parts.Add($"egress: {egress}");
        if (_spec.Network.RateLimit is { } limit)
            parts.Add($"egress rate {limit.Egress?.ToString() ?? "unlimited"}, ingress rate {limit.Ingress?.ToString() ?? "unlimited"}");
        if (!_spec.Network.Ports.IsEmpty)
            parts.Add($"ports {string.Join(", ", _spec.Network.Ports)}");
        Add(StepSide.Handshake, new PlanStep(ConnectNetwork, (_spec.Network.Network?.Describe() ?? "no network") + string.Concat(parts.Select(p => "; " + p)), []));
    }
}
