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

    private static readonly BindMount s_hosts = HostsFile("(hosts of the network)");

    private Slot? _hostsTree;

    private bool HasNetwork => _spec.Network.Network is not null || _spec.Network.Egress is not null;

    /// <summary>Adds /etc/hosts, /etc/resolv.conf and /etc/hostname, unless something else is mounted there.</summary>
    /// <remarks>In many roots /etc/resolv.conf is a link into /run that leads nowhere: the link itself is covered. On the host's network,
    /// or another container's, only what is asked for differs from the owner's files.</remarks>
    private ContainerSpec WithNetworkFiles(ContainerSpec spec)
    {
        NetworkSettings settings = spec.Network;
        JoinedFiles? owner = _facts.FindJoinedFiles(_start.Joined);
        bool hasHosts = settings.Network is not null || !settings.Hosts.IsEmpty || settings.Egress is { } egress
            && egress.Rules.Any(r => r.HostName is not null);
        bool hasResolver = settings.Network is not null || !settings.NameServers.IsEmpty || !settings.SearchDomains.IsEmpty
            || !settings.ResolverOptions.IsEmpty;
        var files = ImmutableArray.CreateBuilder<Mount>();
        // Others of a bridge network come and go; their names are kept up by whoever starts and ends them.
        if (settings.Network is BridgeNetwork)
            files.Add(s_hosts);
        else if (owner?.HostsPath is { } kept && settings.Hosts.IsEmpty)
            files.Add(HostsFile(kept));
        else if (hasHosts || owner?.Hosts is not null)
            files.Add(TextFile("/etc/hosts", Hosts(spec, owner)));
        if (hasResolver || owner?.Resolver is not null)
            files.Add(TextFile(ResolverFile.Path, Resolver(spec, owner).ToString()));
        if (settings.Network is not null && spec.HostName is { } host)
            files.Add(TextFile("/etc/hostname", host + "\n"));
        return spec with { Mounts = [.. spec.Mounts, .. files.Where(f => spec.Mounts.All(m => m.Destination != f.Destination))] };
    }

    private string Hosts(ContainerSpec spec, JoinedFiles? owner) =>
        owner?.Hosts is { } text ? NetworkFiles.HostsWith(text, spec.Network)
        : spec.Namespaces.SharedWithHost.HasFlag(NamespaceKinds.Net) ? NetworkFiles.HostsWith(_facts.Hosts, spec.Network)
        : NetworkFiles.Hosts(spec, UserModeLaunch.AddressOf(spec.Network.Network,
            _facts) ?? ParentLinkLaunch.FirstAddress(spec.Network.Network, v6: false),
            ParentLinkLaunch.FirstAddress(spec.Network.Network, v6: true), _facts.PinnedNames);

    private ResolverFile Resolver(ContainerSpec spec, JoinedFiles? owner)
    {
        if (owner?.Resolver is { } file)
            return file.With(spec.Network);
        if (spec.Namespaces.SharedWithHost.HasFlag(NamespaceKinds.Net))
            return _facts.Resolver.With(spec.Network);
        // The host's loopback is another one inside.
        ImmutableArray<System.Net.IPAddress> servers = spec.Network.Network is UserModeNetwork user
            ? UserModeLaunch.NameServers(user, _facts) : _facts.NameServers;
        return (_facts.ContainersResolver with { NameServers = [.. servers.Where(ResolverFile.IsReachable).Select(s => s.ToString())] })
            .With(spec.Network);
    }

    private static BindMount HostsFile(string source) =>
        new(source, "/etc/hosts", MountFlags.ReadOnly | MountFlags.NoSuid | MountFlags.NoDev | MountFlags.NoExec) { CoversLink = true };

    private static FileMount TextFile(string path, string text) =>
        new(path, [.. Encoding.UTF8.GetBytes(text)],
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead)
        { CoversLink = true };

    private void RequirePossibleNetwork()
    {
        if (!HasNetwork)
            return;
        if (!Owns(NamespaceKinds.Net) || _join.NeedsClone)
        {
            throw new SpecException(new SpecFault("network", !Owns(NamespaceKinds.Net)
                ? "needs a network namespace of the container's own"
                : "cannot be given to a container that joins a PID or user namespace",
                _spec.Network.Network?.Describe()));
        }

        if (_spec.Network.Network is null)
            return;
        if (_spec.Network.Network is UserModeNetwork user)
        {
            (UserModeStackKind kind, _) = UserModeLaunch.Choose(user, _facts);
            PublishedPort? port = _spec.Network.Ports.FirstOrDefault(
                p => p.HostAddress?.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6);
            if (kind == UserModeStackKind.Slirp4netns && port is not null)
                throw new SpecException(new SpecFault("network.ports",
                    "of IPv6 cannot be published by slirp4netns: use pasta", port.ToString()));
            return;
        }

        if (!_facts.IsPrivileged || !_facts.Capabilities.Contains(Capability.NetAdmin))
        {
            throw new KernelFeatureException(_spec.Network.Network.Describe(), _facts.IsInitialUserNamespace
                ? "this process lacks CAP_SYS_ADMIN or CAP_NET_ADMIN, and could make no link of the host" : _facts.PrivilegeObstacle,
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
        Add(StepSide.Handshake, new PlanStep(ConnectNetwork,
            (_spec.Network.Network?.Describe() ?? "no network") + string.Concat(parts.Select(p => "; " + p)), []));
    }
}
