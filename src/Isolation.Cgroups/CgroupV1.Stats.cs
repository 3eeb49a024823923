namespace Isolation.Cgroups;

public sealed partial class CgroupV1
{
    private const long ChargeBatch = 64 * 4096; // what the kernel charges at once

    private const long TicksPerSecond = 100; // USER_HZ, in which cpuacct.stat counts

    private protected override void AddStats(CgroupStats stats, CgroupStatKinds kinds)
    {
        if (_unified is not null)
        {
            // Its cpu.stat counts those processes alone that are there too: version 1's is the whole where it is mounted.
            CgroupStatKinds there = kinds & ~(TryDirectory("cpuacct") is null ? CgroupStatKinds.None : CgroupStatKinds.Cpu);
            CgroupV2.AddStats(_unified.Main, stats, there);
        }

        if (kinds.HasFlag(CgroupStatKinds.Cpu))
            AddCpu(stats);
        if ((kinds & (CgroupStatKinds.Memory | CgroupStatKinds.MemoryDetail | CgroupStatKinds.MemoryNuma)) != 0
            && TryDirectory("memory") is { } memory)
            AddMemory(memory, stats, kinds);
        if (kinds.HasFlag(CgroupStatKinds.Pids) && TryDirectory("pids") is { } pidsDirectory)
        {
            PidsStats pids = stats.Pids = new();
            stats.Add(pidsDirectory, "pids.current", (_, text) => pids.Current = CgroupV2.Number(text));
            stats.Add(pidsDirectory, "pids.max", (_, text) => pids.Max = CgroupV2.Number(text));
            stats.Add(pidsDirectory, "pids.events", (_, text) => { pids.Events.Parse(text); pids.Refused = pids.Events.Get("max"); });
        }

        if (kinds.HasFlag(CgroupStatKinds.Io) && TryDirectory("blkio") is { } blkio)
        {
            IoStats io = stats.Io = new() { IsV1 = true };
            stats.Add(blkio, "blkio.throttle.io_service_bytes_recursive", (_, text) => io.Devices.ParseTriples(text));
            stats.Add(blkio, "blkio.throttle.io_serviced_recursive", (_, text) => io.Operations.ParseTriples(text));
        }

        if (kinds.HasFlag(CgroupStatKinds.Hugetlb) && TryDirectory("hugetlb") is { } hugetlb)
            CgroupV2.AddHugetlb(hugetlb, stats, "usage_in_bytes");
    }

    private void AddCpu(CgroupStats stats)
    {
        if (TryDirectory("cpuacct") is { } accounting)
        {
            CpuStats cpu = stats.Cpu ??= new();
            var times = new KeyedValues();
            stats.Add(accounting, "cpuacct.usage", (_, text) => cpu.Usage = CpuStats.Nanoseconds(CgroupV2.Number(text)));
            stats.Add(accounting, "cpuacct.stat", (_, text) =>
            {
                times.Parse(text);
                cpu.User = CpuStats.Microseconds(times.Get("user") * (1_000_000 / TicksPerSecond));
                cpu.System = CpuStats.Microseconds(times.Get("system") * (1_000_000 / TicksPerSecond));
            });
        }

        if (TryDirectory("cpu") is { } bandwidth)
        {
            CpuStats cpu = stats.Cpu ??= new();
            stats.Add(bandwidth, "cpu.stat", (_, text) => cpu.Update(text, v1: true));
        }
    }

    private static void AddMemory(CgroupDirectory directory, CgroupStats stats, CgroupStatKinds kinds)
    {
        MemoryStats memory = stats.Memory = new();
        if (kinds.HasFlag(CgroupStatKinds.Memory))
        {
            stats.Add(directory, "memory.usage_in_bytes", (_, text) => memory.Current = CgroupV2.Number(text));
            stats.AddPeak(directory, "memory.max_usage_in_bytes", (_, text) => memory.Peak = CgroupV2.Number(text));
            stats.Add(directory, "memory.limit_in_bytes", (_, text) => memory.Max = Limit(CgroupV2.Number(text)));
            stats.Add(directory, "memory.memsw.usage_in_bytes",
                (_, text) => memory.SwapCurrent = Math.Max(0, CgroupV2.Number(text) - memory.Current));
            stats.Add(directory, "memory.failcnt", (_, text) => memory.LimitHits = CgroupV2.Number(text));
            // Where the limit of memory and swap together is the lower one, it is hit first,
            // and the kernel does not count that: the peak tells.
            long both = long.MaxValue;
            stats.Add(directory, "memory.memsw.limit_in_bytes", (_, text) => both = Limit(CgroupV2.Number(text)));
            stats.Add(directory, "memory.memsw.max_usage_in_bytes",
                (_, text) => memory.LimitHits += both != long.MaxValue && CgroupV2.Number(text) >= both - ChargeBatch ? 1 : 0);
            stats.Add(directory, "memory.oom_control",
                (_, text) => { memory.Events.Parse(text); memory.OomKills = memory.Events.Get("oom_kill"); });
        }

        if (kinds.HasFlag(CgroupStatKinds.MemoryDetail))
            stats.Add(directory, "memory.stat", (_, text) => memory.Detail.Parse(text));
        if (kinds.HasFlag(CgroupStatKinds.MemoryNuma))
            stats.Add(directory, "memory.numa_stat", (_, text) => ParseNuma(memory.Numa, text));
    }

    // total=1 N0=1 becomes a line named total with N0=1: the first word is the name and its value the sum.
    private static void ParseNuma(NestedValues numa, ReadOnlySpan<byte> text)
    {
        Span<byte> copy = text.Length <= 4096 ? stackalloc byte[text.Length] : new byte[text.Length];
        text.CopyTo(copy);
        for (int start = 0; start < copy.Length;)
        {
            int end = copy[start..].IndexOf((byte)'\n');
            end = end < 0 ? copy.Length : start + end;
            Span<byte> line = copy[start..end];
            int equals = line.IndexOf((byte)'='), blank = line.IndexOf((byte)' ');
            if (equals >= 0 && blank > equals)
                line[equals..blank].Fill((byte)' ');
            start = end + 1;
        }

        numa.Parse(copy);
    }

    private static long Limit(long value) => value >= long.MaxValue / 4096 * 4096 - 4096 ? long.MaxValue : value;
}
