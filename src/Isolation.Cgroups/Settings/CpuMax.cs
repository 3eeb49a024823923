using System.Globalization;

namespace Isolation.Cgroups;

/// <summary>CPU bandwidth: so much time in each period, as in <c>cpu.max</c>.</summary>
/// <example><code>builder = builder.WithCpuMax(CpuMax.FromCores(0.75));</code></example>
/// <param name="Quota">CPU time of all processors together in each period; null for no limit. At least 1 ms.</param>
/// <param name="Period">The period, 1 ms to 1 s.</param>
public readonly record struct CpuMax(TimeSpan? Quota, TimeSpan Period)
{
    /// <summary>The kernel's default period, 100 ms.</summary>
    public static readonly TimeSpan DefaultPeriod = TimeSpan.FromMilliseconds(100);

    /// <summary>No limit.</summary>
    public static CpuMax Max { get; } = new(null, DefaultPeriod);

    /// <summary>So many processors' time: 0.75 is 75 ms in each 100 ms.</summary>
    /// <param name="cores">At least 0.01, which is the kernel's least quota of 1 ms.</param>
    public static CpuMax FromCores(double cores)
    {
        if (!(cores >= 0.01 && cores <= 1_000_000))
            throw new ArgumentOutOfRangeException(nameof(cores), cores,
                "Must be at least 0.01, the kernel's least quota of 1 ms in 100 ms.");
        // The decimal that was meant: 0.29 as a binary fraction is a little less, and would give 28999.
        return new(TimeSpan.FromTicks((long)decimal.Floor((decimal)cores * DefaultPeriod.Ticks / 10) * 10), DefaultPeriod);
    }

    /// <summary>The quota in microseconds as text, or <c>max</c>.</summary>
    internal string QuotaText => Quota is { } quota ? ((long)quota.TotalMicroseconds).ToString(CultureInfo.InvariantCulture) : "max";

    internal string PeriodText => ((long)Period.TotalMicroseconds).ToString(CultureInfo.InvariantCulture);

    /// <summary>The kernel's form: <c>75000 100000</c>, <c>max 100000</c>.</summary>
    public override string ToString() => $"{QuotaText} {PeriodText}";
}
