using Isolation.Linux;
using Isolation.Net.Netlink;
using Isolation.Net.Routing;

namespace Isolation.Net.TrafficControl;

/// <summary>How fast a link may send and receive. Set, changed and read while it is in use,
/// from outside or inside of its network namespace.</summary>
/// <remarks>What goes out is shaped by a token bucket on the link. What comes in is redirected to an <c>ifb</c> link of the same namespace,
/// and shaped there. Both are the kernel's, so a program in the namespace is held by them unless it has <c>CAP_NET_ADMIN</c>
/// there.</remarks>
/// <example><code>
/// using PidHandle process = PidHandle.Open(processId);
/// new RateLimit { Egress = BitRate.FromMegabits(10), Ingress = BitRate.FromMegabits(50) }.Apply("eth0", process);
/// </code></example>
public sealed record RateLimit
{
    private const int BurstMilliseconds = 5, QueueMilliseconds = 50, MinBurst = 16 * 1024, MinQueue = 64 * 1024, MaxBurst = 4 << 20;

    // Ethernet's, with tags, and what the kernel loses when it turns bytes into time.
    private const int MaxHeader = 256;

    private static readonly TcHandle s_handle = new(0x1501);

    /// <summary>How fast it may send; null for no limit.</summary>
    public BitRate? Egress { get; init; }

    /// <summary>How fast it may receive; null for no limit.</summary>
    public BitRate? Ingress { get; init; }

    /// <summary>Sets the limits in the place of those that are there.</summary>
    /// <param name="link">The link's name.</param>
    /// <param name="networkNamespace">The network namespace:
    /// a descriptor of it, or a pidfd of a process in it; null for the caller's.</param>
    /// <exception cref="LinuxException"><c>EPERM</c>: no <c>CAP_NET_ADMIN</c> over it. <c>ENODEV</c>: there is no such link.</exception>
    /// <exception cref="KernelFeatureException">The kernel has no tbf, or no ifb.</exception>
    public void Apply(string link, LinuxHandle? networkNamespace = null)
    {
        using RouteSocket route = RouteSocket.Open(networkNamespace);
        Apply(route, link);
    }

    /// <summary>Sets the limits in the place of those that are there, through an open socket.</summary>
    /// <inheritdoc cref="Apply(string, LinuxHandle?)" path="/exception"/>
    public void Apply(RouteSocket route, string link)
    {
        ArgumentNullException.ThrowIfNull(route);
        Link limited = route.GetLink(link);
        Shape(route, limited.Index, limited, Egress, "egress rate");
        LimitIngress(route, limited);
    }

    /// <summary>Reads the limits of a link.</summary>
    /// <inheritdoc cref="Apply(string, LinuxHandle?)" path="/param"/>
    /// <exception cref="LinuxException"><c>ENODEV</c>: there is no such link.</exception>
    public static RateLimit Read(string link, LinuxHandle? networkNamespace = null)
    {
        using RouteSocket route = RouteSocket.Open(networkNamespace);
        int index = route.GetLink(link).Index;
        return new RateLimit
        {
            Egress = Find(route, index)?.Rate,
            Ingress = route.FindLink(IfbName(index)) is { } ifb ? Find(route, ifb.Index)?.Rate : null
        };
    }

    private void LimitIngress(RouteSocket route, Link link)
    {
        string name = IfbName(link.Index);
        Link? ifb = route.FindLink(name);
        if (Ingress is null)
        {
            if (ifb is null)
                return;
            foreach (IngressQdisc qdisc in route.ReadQdiscs(link.Index).OfType<IngressQdisc>())
                route.Delete(qdisc);
            route.Delete(ifb);
            return;
        }

        if (ifb is null)
        {
            try
            {
                route.Add(new IfbLink { Name = name, TransmitQueueLength = 1000 });
            }
            catch (NetlinkException e) when (e.Errno == Errno.EOPNOTSUPP)
            {
                throw Missing("ifb", "the module ifb, CONFIG_IFB");
            }

            ifb = route.GetLink(name);
            route.Change(new Link { Index = ifb.Index, Up = true });
        }

        // First the limit, then what leads there: nothing passes unlimited.
        Shape(route, ifb.Index, link, Ingress, "ingress rate");
        if (!route.ReadQdiscs(link.Index).OfType<IngressQdisc>().Any())
            route.Add(new IngressQdisc(link.Index));
        if (route.ReadFilters(link.Index, TcHandle.IngressQdisc)
            .Any(f => f.Actions.OfType<MirredAction>().Any(a => a.LinkIndex == ifb.Index)))
            return;
        route.Add(new U32Filter(link.Index, TcHandle.IngressQdisc) { Priority = 1, Actions = [new MirredAction(ifb.Index)] });
    }

    private static void Shape(RouteSocket route, int linkIndex, Link limited, BitRate? rate, string what)
    {
        TbfQdisc? present = Find(route, linkIndex);
        if (rate is not { } limit)
        {
            if (present is not null)
                route.Delete(present);
            return;
        }

        // tbf drops for ever what is longer than its burst, the link's header included: lo has packets of 64 KiB.
        ulong longest = (ulong)((limited.Mtu ?? 0) + MaxHeader);
        ulong burst = Math.Max(Math.Clamp(limit.BytesPerSecond * BurstMilliseconds / 1000, MinBurst, MaxBurst), longest);
        var wanted = new TbfQdisc(linkIndex)
        {
            Handle = s_handle,
            Rate = limit,
            Burst = (uint)burst,
            Limit = (uint)Math.Min(uint.MaxValue, Math.Max((limit.BytesPerSecond * QueueMilliseconds / 1000) + burst,
                Math.Max(MinQueue, 2 * longest))),
        };
        try
        {
            // Of a discipline that is there only the numbers change: no packet is lost.
            if (present is null)
                route.Replace(wanted);
            else
                route.Change(wanted);
        }
        catch (NetlinkException e) when (e.Errno == Errno.ENOENT)
        {
            throw Missing(what, "the module sch_tbf, CONFIG_NET_SCH_TBF");
        }
    }

    private static TbfQdisc? Find(RouteSocket route, int linkIndex) =>
        route.ReadQdiscs(linkIndex).OfType<TbfQdisc>().FirstOrDefault(q => q.Handle == s_handle);

    private static string IfbName(int linkIndex) => System.FormattableString.Invariant($"ifb-{linkIndex}");

    private static KernelFeatureException Missing(string what, string where) => new($"a limit of the {what}",
        "the kernel lacks " + where.Split(',')[0], $"Load {where.Split(',')[0]}, or use a kernel with {where.Split(", ")[1]}.");
}
