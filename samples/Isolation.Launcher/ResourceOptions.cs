using System.Collections.Immutable;
using System.Globalization;
using Isolation.Cgroups;
using Isolation.Linux;

namespace Isolation.Launcher;

/// <summary>What the resource flags of <c>run</c> and <c>update</c> say, in docker's words.</summary>
internal sealed record ResourceOptions
{
    internal static readonly ImmutableArray<(string Names, string Value, string Help, Func<ResourceOptions, string, ResourceOptions> Apply)> Flags =
    [
        ("-m --memory", "SIZE", "memory limit; what exceeds it is killed", (o, v) => o with { Memory = ByteSize.Parse(v) }),
        ("--memory-swap", "SIZE", "memory and swap together; -1 for no limit of swap (default: twice the memory)", (o, v) => o with { MemorySwap = SizeOrNone(v) }),
        ("--memory-reservation", "SIZE", "memory that is left to it as long as others have some to give", (o, v) => o.Add(s => s.WithMemoryLow(ByteSize.Parse(v)))),
        ("--memory-high", "SIZE", "memory above which it is slowed down", (o, v) => o.Add(s => s.WithMemoryHigh(ByteSize.Parse(v)))),
        ("--cpus", "NUMBER", "CPU time of so many processors, such as 0.75", (o, v) => o.Add(s => s.WithCpus(Number(v)))),
        ("--cpu-period", "MICROSECONDS", "period of --cpu-quota (default: 100000)", (o, v) => o with { CpuPeriod = TimeSpan.FromMicroseconds(Number(v)) }),
        ("--cpu-quota", "MICROSECONDS", "CPU time in each period", (o, v) => o with { CpuQuota = TimeSpan.FromMicroseconds(Number(v)) }),
        ("-c --cpu-shares", "NUMBER", "share of CPU time against others; 1024 is usual", (o, v) => o.Add(s => s.WithCpuShares(checked((int)Number(v))))),
        ("--cpuset-cpus", "LIST", "processors that may be used: 0-3,8", (o, v) => o.Add(s => s.With(new CgroupSetting("cpuset.cpus", v)))),
        ("--cpuset-mems", "LIST", "memory nodes that may be used", (o, v) => o.Add(s => s.With(new CgroupSetting("cpuset.mems", v)))),
        ("--pids-limit", "NUMBER", "processes and threads; -1 for no limit (default: 4096)", (o, v) => o.Add(s => s.WithPidsMax(v == "-1" ? CgroupLimit.Max : CgroupLimit.Parse(v)))),
        ("--blkio-weight", "10..1000", "share of block I/O against others", (o, v) => o.Add(s => s.WithIoWeight(IoWeight(v)))),
        ("--device-read-bps", "PATH:SIZE", "bytes read from a device per second", (o, v) => o.Throttle(v, l => new IoMax { ReadBytesPerSecond = l })),
        ("--device-write-bps", "PATH:SIZE", "bytes written to a device per second", (o, v) => o.Throttle(v, l => new IoMax { WriteBytesPerSecond = l })),
        ("--device-read-iops", "PATH:NUMBER", "reads of a device per second", (o, v) => o.Throttle(v, l => new IoMax { ReadOperationsPerSecond = l })),
        ("--device-write-iops", "PATH:NUMBER", "writes to a device per second", (o, v) => o.Throttle(v, l => new IoMax { WriteOperationsPerSecond = l })),
    ];

    private CgroupSettings Settings { get; init; } = CgroupSettings.None;

    private ImmutableSortedDictionary<string, IoMax> Throttles { get; init; } = ImmutableSortedDictionary<string, IoMax>.Empty;

    internal ByteSize? Memory { get; init; }

    internal ByteSize? MemorySwap { get; init; }

    internal TimeSpan? CpuPeriod { get; init; }

    internal TimeSpan? CpuQuota { get; init; }

    /// <summary>The limits in the library's words.</summary>
    /// <exception cref="UsageException">Flags contradict each other.</exception>
    internal CgroupSettings ToSettings()
    {
        CgroupSettings settings = Settings;
        if (Memory is { } memory)
            settings = settings.WithMemoryMax(memory);
        if (MemorySwap is { IsMax: false } both && (Memory is not { IsMax: false } limit || both < limit))
            throw new UsageException("The flag --memory-swap is memory and swap together: it needs --memory, and must not be below it.");
        if (MemorySwap is { } swap)
            settings = settings.WithMemorySwapMax(swap.IsMax ? ByteSize.Max : swap.Bytes - Memory!.Value.Bytes);
        else if (Memory is { IsMax: false } alone)
            settings = settings.WithMemorySwapMax(alone);
        if (CpuQuota is { } quota && settings["cpu.max"] is not null)
            throw new UsageException("The flags --cpus and --cpu-quota say the same thing; give one of them.");
        if (CpuQuota is { } time)
            settings = settings.WithCpuMax(new CpuMax(time, CpuPeriod ?? CpuMax.DefaultPeriod));
        else if (CpuPeriod is not null)
            throw new UsageException("The flag --cpu-period needs --cpu-quota.");
        return Throttles.Aggregate(settings, (s, t) => s.WithIoMax(DeviceNumber.Parse(t.Key), t.Value));
    }

    private ResourceOptions Add(Func<CgroupSettings, CgroupSettings> add) => this with { Settings = add(Settings) };

    private ResourceOptions Throttle(string text, Func<CgroupLimit, IoMax> make)
    {
        int colon = text.LastIndexOf(':');
        if (colon <= 0)
            throw new FormatException($"\"{text}\" is not PATH:RATE.");
        string device = DeviceNumber.FromPath(text[..colon]).ToString();
        IoMax limit = make(ByteSize.Parse(text[(colon + 1)..]).Bytes);
        return this with { Throttles = Throttles.SetItem(device, Throttles.GetValueOrDefault(device, new IoMax()).MergedWith(limit)) };
    }

    private static ByteSize SizeOrNone(string text) => text == "-1" ? ByteSize.Max : ByteSize.Parse(text);

    /// <summary>docker's 10 to 1000 as version 2's 1 to 10000.</summary>
    private static int IoWeight(string text) => Number(text) is >= 10 and <= 1000 and var weight
        ? (int)(1 + ((weight - 10) * 9999 / 990))
        : throw new FormatException($"\"{text}\" is not a weight from 10 to 1000.");

    private static double Number(string text) => double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number) && number < 1e12
        ? number
        : throw new FormatException($"\"{text}\" is not a number.");
}
