using System.Globalization;
using System.Net;
using Isolation.Linux;
using Isolation.Net.Netlink;
using Isolation.Net.Routing;
using Isolation.Net.TrafficControl;

namespace Isolation.Net.Testbed;

/// <summary>Hosts and links in network namespaces of this machine, for tests of programs that talk over a network:
/// with delay, loss and rates, without containers.</summary>
/// <remarks>All of it is gone when it is disposed, or when this process ends. Needs <c>CAP_SYS_ADMIN</c> and <c>CAP_NET_ADMIN</c>; delay
/// and loss need the kernel's netem.</remarks>
/// <example><code>
/// using var bed = new NetworkTestbed();
/// TestbedHost client = bed.AddHost("client"), server = bed.AddHost("server");
/// bed.Connect(client, server, new LinkConditions { Delay = TimeSpan.FromMilliseconds(50), Loss = 0.01, Rate = BitRate.FromMegabits(10) });
/// using Socket listener = server.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
/// listener.Bind(new IPEndPoint(server.Address!, 80));
/// </code></example>
public sealed class NetworkTestbed : IDisposable
{
    private readonly List<TestbedHost> _hosts = [];
    private int _links;

    /// <summary>The hosts.</summary>
    public IReadOnlyList<TestbedHost> Hosts => _hosts;

    /// <summary>Adds a host.</summary>
    /// <exception cref="LinuxException"><c>EPERM</c>: no <c>CAP_SYS_ADMIN</c>.</exception>
    public TestbedHost AddHost(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (_hosts.Any(h => h.Name == name))
            throw new ArgumentException($"There is a host \"{name}\" already.", nameof(name));
        var host = new TestbedHost(name);
        _hosts.Add(host);
        return host;
    }

    /// <summary>Connects two hosts by a link of their own, with an IPv4 and an IPv6 network of its own.</summary>
    /// <param name="first">One host.</param>
    /// <param name="second">The other.</param>
    /// <param name="conditions">What the link does to packets, each way; null for nothing.</param>
    /// <returns>The addresses of both on the link.</returns>
    /// <exception cref="KernelFeatureException">The kernel has no netem, which delay, loss, duplication and corruption need.</exception>
    public (IPAddress First, IPAddress Second) Connect(TestbedHost first, TestbedHost second, LinkConditions? conditions = null)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        int number = _links++;
        if (number > 255)
            throw new InvalidOperationException("A testbed has at most 256 links.");
        string name = string.Create(CultureInfo.InvariantCulture, $"link{number}");
        VethPair pair = VethPair.Create(new VethLink
        {
            Name = name,
            Up = true,
            Mtu = conditions?.Mtu,
            Peer = new Link { Name = name, Up = true, Mtu = conditions?.Mtu, NetworkNamespace = second.Namespace }
        }, first.Namespace);
        return (Configure(first, pair.Link.Index, number, 1, conditions), Configure(second, pair.Peer.Index, number, 2, conditions));
    }

    /// <summary>Changes what a link between two hosts does to packets, while it is in use.</summary>
    /// <exception cref="ArgumentException">They are not connected.</exception>
    public void SetConditions(TestbedHost first, TestbedHost second, LinkConditions conditions)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        ArgumentNullException.ThrowIfNull(conditions);
        if (!_hosts.Contains(first) || !_hosts.Contains(second))
            throw new ArgumentException("A host is not of this testbed.");
        var theirs = second.Route.ReadLinks(statistics: false).ToDictionary(l => l.Name!);
        Link? link = first.Route.ReadLinks(statistics: false)
            .FirstOrDefault(l => l is VethLink && theirs.TryGetValue(l.Name!, out Link? other) && other.Index == l.ParentIndex);
        if (link is null)
            throw new ArgumentException($"The hosts \"{first.Name}\" and \"{second.Name}\" are not connected.");
        Shape(first, link.Index, conditions);
        Shape(second, theirs[link.Name!].Index, conditions);
    }

    /// <summary>Ends all hosts.</summary>
    public void Dispose()
    {
        foreach (TestbedHost host in _hosts)
            host.Dispose();
        _hosts.Clear();
    }

    private static IPAddress Configure(TestbedHost host, int link, int number, int end, LinkConditions? conditions)
    {
        Address address = Address.Parse(link, string.Create(CultureInfo.InvariantCulture, $"10.201.{number}.{end}/24"));
        host.Route.Add(address);
        host.Route.Add(Address.Parse(link,
            string.Create(CultureInfo.InvariantCulture, $"fd00:201:{number:x}::{end}/64")) with
        { Flags = AddressFlags.NoDad });
        if (conditions is not null)
            Shape(host, link, conditions);
        host.Address ??= address.Local;
        return address.Local;
    }

    private static void Shape(TestbedHost host, int link, LinkConditions conditions)
    {
        Qdisc? present = host.Route.ReadQdiscs(link).FirstOrDefault(q => q is NetemQdisc or TbfQdisc && q.Parent == TcHandle.Root);
        Qdisc? wanted = conditions.NeedsNetem ? new NetemQdisc(link)
        {
            Delay = conditions.Delay,
            Jitter = conditions.Jitter,
            Loss = conditions.Loss,
            Duplicate = conditions.Duplicate,
            Corrupt = conditions.Corrupt,
            Rate = conditions.Rate,
            LimitPackets = 10_000,
        }
            : conditions.Rate is { } rate ? new TbfQdisc(link)
            {
                Rate = rate,
                Burst = (uint)Math.Clamp(rate.BytesPerSecond / 200, 16_384, 4 << 20),
                Limit = (uint)Math.Clamp(rate.BytesPerSecond / 10, 65_536, 64 << 20)
            } : null;
        if (present is not null && (wanted is null || wanted.Kind != present.Kind))
            host.Route.Delete(present);
        if (wanted is null)
            return;
        try
        {
            host.Route.Replace(wanted);
        }
        catch (NetlinkException e) when (e.Errno == Errno.ENOENT)
        {
            throw new KernelFeatureException($"a link with {(conditions.NeedsNetem ? "delay, loss, duplication or corruption" : "a rate")}",
                $"the kernel lacks {(conditions.NeedsNetem ? "netem" : "tbf")}",
                $"Load the module {(conditions.NeedsNetem ? "sch_netem" : "sch_tbf")}, or use a kernel "
                    + $"with {(conditions.NeedsNetem ? "CONFIG_NET_SCH_NETEM" : "CONFIG_NET_SCH_TBF")}.");
        }
    }
}
