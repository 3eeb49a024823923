using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux;

namespace Isolation.Cgroups;

/// <summary>Turns settings in version 2's words into version 1's files; what version 1 cannot do is refused by name.</summary>
internal static class V1Translation
{
    // The kernel's own largest value, rounded down to pages: what "no limit" is there.
    private const string NoLimit = "-1";

    private static readonly string[] s_asTheyAre =
    [
        "cpu.shares", "cpu.rt_runtime_us", "cpu.rt_period_us", "cpu.idle", "cpuset.cpus", "cpuset.mems", "pids.max", "memory.swappiness",
        "net_cls.classid", "net_prio.ifpriomap",
    ];

    /// <summary>The files and values, in the order that they must be written.</summary>
    /// <param name="settings">What is wanted.</param>
    /// <param name="currentMemoryMax">The limit of memory now, for a swap limit without one: on version 1 that is of both together.</param>
    /// <param name="hasFile">Whether the control group has a file.</param>
    internal static ImmutableArray<CgroupSetting> Translate(CgroupSettings settings, Func<ByteSize> currentMemoryMax,
        Func<string, bool> hasFile)
    {
        var result = ImmutableArray.CreateBuilder<CgroupSetting>();
        foreach (CgroupSetting setting in settings)
            result.AddRange(CgroupSetting.Checked(setting, s => Translate(s, settings, currentMemoryMax, hasFile)));
        // A new group's memory has no limit, and that of memory and swap together may never be below it. Of two words for one file the
        // later holds.
        return [.. result.Where((s, i) => !result.Skip(i + 1).Any(later => later.Key == s.Key)).OrderBy(s =>
            s.File == CgroupSetting.MemoryAndSwap)];
    }

    private static ImmutableArray<CgroupSetting> Translate(CgroupSetting setting, CgroupSettings all, Func<ByteSize> currentMemoryMax,
        Func<string, bool> hasFile)
    {
        (string file, string value) = (setting.File, setting.Value);
        if (s_asTheyAre.Contains(file) || file.StartsWith("blkio.", StringComparison.Ordinal))
            return [setting];
        if (file.StartsWith("hugetlb.", StringComparison.Ordinal) && file.EndsWith(".max", StringComparison.Ordinal))
            return [new(file[..^4] + ".limit_in_bytes", Bytes(value))];
        switch (file)
        {
            case CgroupSetting.Quota or CgroupSetting.Period or CgroupSetting.MemoryAndSwap:
                return [new(file, Bytes(value))];
            case "memory.max":
                return [new("memory.limit_in_bytes", Bytes(value))];
            case "memory.low":
                return [new("memory.soft_limit_in_bytes", value == "0" ? NoLimit : Bytes(value))]; // nothing is protected, as at first
            case "memory.swap.max":
                ByteSize memory = all["memory.max"] is { } max ? ByteSize.Parse(max) : currentMemoryMax();
                ByteSize swap = ByteSize.Parse(value);
                if (memory.IsMax && !swap.IsMax)
                {
                    throw new KernelFeatureException("memory.swap.max on control groups of version 1",
                        "there is one limit of memory and swap together, and memory.max is not set",
                        "Set memory.max too, before or in the same list; or use a host with version 2.");
                }

                bool isNone = swap.IsMax || swap.Bytes > long.MaxValue - memory.Bytes;
                return [new("memory.memsw.limit_in_bytes",
                    isNone ? NoLimit : (memory.Bytes + swap.Bytes).ToString(CultureInfo.InvariantCulture))];
            case "cpu.max":
                string[] words = value.Split(' ');
                CgroupSetting quota = new("cpu.cfs_quota_us", Bytes(words[0]));
                return words.Length == 1 ? [quota] : [new("cpu.cfs_period_us", words[1]), quota];
            case "cpu.max.burst":
                return [new("cpu.cfs_burst_us", value)];
            case "cpu.weight":
                return [new("cpu.shares",
                    CpuControls.SharesOfWeight(long.Parse(value, CultureInfo.InvariantCulture)).ToString(CultureInfo.InvariantCulture))];
            case "io.weight":
                return [IoWeight(value, hasFile)];
            case "io.max":
                return [.. Throttles(value)];
            default:
                throw new KernelFeatureException($"{file} on control groups of version 1", "only version 2 has it", Remedy(file));
        }
    }

    /// <summary>blkio.weight is CFQ's and gone since Linux 5.0; BFQ has it under its own name. Both go to 1000.</summary>
    private static CgroupSetting IoWeight(string value, Func<string, bool> hasFile)
    {
        string file = hasFile("blkio.bfq.weight") ? "blkio.bfq.weight" : "blkio.weight";
        if (!hasFile(file))
            throw new KernelFeatureException("io.weight", "no I/O scheduler of this host has weights",
                "Select BFQ: echo bfq > /sys/block/DEVICE/queue/scheduler.");
        string scaled = V2Translation.BfqWeight(value);
        return new(scaled.Contains(' ', StringComparison.Ordinal) ? file + "_device" : file, scaled);
    }

    private static IEnumerable<CgroupSetting> Throttles(string value)
    {
        string[] words = value.Split(' ', 2);
        IoMax max = IoMax.Parse(words.Length == 2 ? words[1] : "");
        foreach ((string file, CgroupLimit? limit) in new[]
        {
            ("read_bps", max.ReadBytesPerSecond), ("write_bps", max.WriteBytesPerSecond), ("read_iops", max.ReadOperationsPerSecond),
            ("write_iops", max.WriteOperationsPerSecond),
        })
        {
            // There 0 lifts a limit; version 2 refuses it.
            if (limit is { Value: 0 })
            {
                throw new KernelFeatureException($"io.max of 0 for {words[0]} on control groups of version 1", "0 means no limit there",
                    "Set at least 1, or max for no limit.");
            }

            if (limit is { } l)
                yield return new($"blkio.throttle.{file}_device",
                    string.Create(CultureInfo.InvariantCulture, $"{words[0]} {(l.IsMax ? 0 : l.Value)}"));
        }
    }

    private static string Bytes(string value) => value == "max" ? NoLimit : value;

    private static string? Remedy(string file) => file switch
    {
        "memory.high" or "memory.min" => "Use memory.max and memory.low, or a host with version 2.",
        "memory.oom.group" => "With a PID namespace of its own, killing its process 1 has the same effect.",
        "cpu.weight.nice" => "Use cpu.weight.",
        _ => "Use a host with version 2: boot with systemd.unified_cgroup_hierarchy=1 or cgroup_no_v1=all.",
    };
}
