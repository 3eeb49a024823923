using Isolation.Net.TrafficControl;

namespace Isolation.Net.Testbed;

/// <summary>What a link of a testbed does to packets, each way.</summary>
/// <example><code>
/// var slow = new LinkConditions { Delay = TimeSpan.FromMilliseconds(50), Loss = 0.01, Rate = BitRate.FromMegabits(10) };
/// </code></example>
public sealed record LinkConditions
{
    /// <summary>By how much every packet is late.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>By how much that varies, either way.</summary>
    public TimeSpan Jitter { get; init; }

    /// <summary>The share of packets that are lost, 0 to 1.</summary>
    public double Loss { get; init; }

    /// <summary>The share of packets that come twice, 0 to 1.</summary>
    public double Duplicate { get; init; }

    /// <summary>The share of packets with a wrong bit, 0 to 1.</summary>
    public double Corrupt { get; init; }

    /// <summary>How fast it is; null for as fast as the machine.</summary>
    public BitRate? Rate { get; init; }

    /// <summary>The longest packet, in bytes; null for 1500.</summary>
    public int? Mtu { get; init; }

    internal bool NeedsNetem => Delay > TimeSpan.Zero || Jitter > TimeSpan.Zero || Loss > 0 || Duplicate > 0 || Corrupt > 0;
}
