using System.Collections.Immutable;
using System.Globalization;
using Isolation.Cgroups;
using Isolation.Linux;

namespace Isolation.Launcher;

/// <summary>What the resource flags of <c>run</c> and <c>update</c> say, in docker's words.</summary>
internal sealed record ResourceOptions
{
    internal static readonly ImmutableArray<Flag<ResourceOptions>> Flags =
    [
        new("-m --memory", "SIZE", "memory limit; what exceeds it is killed; -1 for none",
            (o, v) => o with { Memory = v == "0" ? ByteSize.Max : SizeOrNone(v) }),
        new("--memory-swap", "SIZE", "memory and swap together; -1 for no limit of swap (default: twice the memory)",
            (o, v) => o with { MemorySwap = SizeOrNone(v) }),
        new("--memory-reservation", "SIZE", "memory that is left to it as long as others have some to give",
            (o, v) => o.Add(s => s.WithMemoryLow(ByteSize.Parse(v)))),
        new("--memory-high", "SIZE", "memory above which it is slowed down", (o, v) => o.Add(s => s.WithMemoryHigh(SizeOrNone(v)))),
        new("--cpus", "NUMBER", "CPU time of so many processors, such as 0.75; 0 for no limit",
            (o, v) => o.Add(s => s.WithCpuMax(Cpus(v)))),
        new("--cpu-period", "MICROSECONDS", "period of --cpu-quota (default: 100000)",
            (o, v) => o.Set("cpu.cfs_period_us", Microseconds(v, 1_000_000))),
        new("--cpu-quota", "MICROSECONDS", "CPU time in each period; -1 for no limit",
            (o, v) => o.Set("cpu.cfs_quota_us", v is "-1" or "max" ? "-1" : Microseconds(v, 1e15))),
        new("-c --cpu-shares", "NUMBER", "share of CPU time against others; 1024 is usual",
            (o, v) => o.Add(s => s.WithCpuShares(Shares(v)))),
        new("--cpuset-cpus", "LIST", "processors that may be used: 0-3,8", (o, v) => o.Add(s => s.WithCpusetCpus(Numbers(v)))),
        new("--cpuset-mems", "LIST", "memory nodes that may be used", (o, v) => o.Add(s => s.WithCpusetMems(Numbers(v)))),
        new("--pids-limit", "NUMBER", "processes and threads; -1 for no limit (default: 4096)", (o, v) =>
            o.Add(s => s.WithPidsMax(v == "-1" ? CgroupLimit.Max : CgroupLimit.Parse(v)))),
        new("--blkio-weight", "10..1000", "share of block I/O against others", (o, v) => o.Add(s => s.WithIoWeight(IoWeight(v)))),
        new("--device-read-bps", "PATH:SIZE", "bytes read from a device per second", (o, v) =>
            o.Throttle(v, l => new IoMax { ReadBytesPerSecond = l })),
        new("--device-write-bps", "PATH:SIZE", "bytes written to a device per second", (o, v) =>
            o.Throttle(v, l => new IoMax { WriteBytesPerSecond = l })),
        new("--device-read-iops", "PATH:NUMBER", "reads of a device per second", (o, v) =>
            o.Throttle(v, l => new IoMax { ReadOperationsPerSecond = l })),
        new("--device-write-iops", "PATH:NUMBER", "writes to a device per second", (o, v) =>
            o.Throttle(v, l => new IoMax { WriteOperationsPerSecond = l })),
    ];

    private CgroupSettings Settings { get; init; } = CgroupSettings.None;

    internal ByteSize? Memory { get; init; }

    internal ByteSize? MemorySwap { get; init; }

    /// <summary>The limits of a new container, in the library's words: with a limit of memory alone, as much swap.</summary>
    /// <exception cref="UsageException">Flags contradict each other.</exception>
    internal CgroupSettings ToSettings()
    {
        if (MemorySwap is { IsMax: false } && Memory is not { IsMax: false })
            throw new UsageException("The flag --memory-swap is memory and swap together: it needs --memory, and must not be below it.");
        CgroupSettings changes = ToChanges();
        return MemorySwap is null && Memory is { IsMax: false } alone ? changes.WithMemorySwapMax(alone) : changes;
    }

    /// <summary>What is to change of a running container: nothing that no flag names.</summary>
    /// <exception cref="UsageException">Flags contradict each other.</exception>
    internal CgroupSettings ToChanges()
    {
        CgroupSettings settings = Settings;
        if (Memory is { } memory)
            settings = settings.WithMemoryMax(memory);
        if (MemorySwap is { IsMax: false } both && Memory is { } limit && (limit.IsMax || both < limit))
            throw new UsageException("The flag --memory-swap is memory and swap together: it must not be below --memory.");
        if (MemorySwap is { } swap)
        {
            settings = swap.IsMax || Memory is null
                ? settings.With(new CgroupSetting("memory.memsw.limit_in_bytes", swap.IsMax ? "-1" : swap.ToString()))
                : settings.WithMemorySwapMax(new(swap.Bytes - Memory.Value.Bytes));
        }

        if (settings["cpu.max"] is not null && (settings["cpu.cfs_quota_us"] ?? settings["cpu.cfs_period_us"]) is not null)
            throw new UsageException("The flag --cpus says what --cpu-quota and --cpu-period say together; give one or the others.");
        return settings;
    }

    private ResourceOptions Add(Func<CgroupSettings, CgroupSettings> add) => this with { Settings = add(Settings) };

    private ResourceOptions Set(string file, string value) => Add(s => s.With(new CgroupSetting(file, value)));

    private static CpuMax Cpus(string text) => text is "0" or "max" ? CpuMax.Max : CpuMax.FromCores(Number(text));

    private ResourceOptions Throttle(string text, Func<CgroupLimit, IoMax> make)
    {
        int colon = text.LastIndexOf(':');
        if (colon <= 0)
            throw new FormatException($"\"{text}\" is not PATH:RATE.");
        ByteSize limit = ByteSize.Parse(text[(colon + 1)..]);
        return Add(s => s.WithIoMax(DeviceNumber.FromPath(text[..colon]), make(limit.IsMax ? CgroupLimit.Max : limit.Bytes)));
    }

    // The kernel's least quota and period are 1 ms.
    private static string Microseconds(string text, double most) => Number(text) is >= 1000 and var number && number <= most
        ? ((long)number).ToString(CultureInfo.InvariantCulture)
        : throw new FormatException(string.Create(CultureInfo.InvariantCulture,
            $"\"{text}\" is not a number of microseconds from 1000{(most < 1e15 ? $" to {most}" : "")}."));

    private static int Shares(string text) => Number(text) is >= 2 and <= 262_144 and var shares
        ? (int)shares
        : throw new FormatException($"\"{text}\" is not a number from 2 to 262144.");

    // An empty list is that of the control group above.
    private static int[] Numbers(string text) => CpuList.Parse(text);

    private static ByteSize SizeOrNone(string text) => text == "-1" ? ByteSize.Max : ByteSize.Parse(text);

    /// <summary>docker's 10 to 1000 as version 2's 1 to 10000.</summary>
    private static int IoWeight(string text) => Number(text) is >= 10 and <= 1000 and var weight
        ? (int)(1 + ((weight - 10) * 9999 / 990))
        : throw new FormatException($"\"{text}\" is not a weight from 10 to 1000.");

    private static double Number(string text) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number) && number < 1e12
            ? number
            : throw new FormatException($"\"{text}\" is not a number.");
}
