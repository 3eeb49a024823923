namespace Isolation.Cgroups;

public sealed partial class CgroupV2
{
    private protected override void AddStats(CgroupStats stats, CgroupStatKinds kinds) => AddStats(_directory, stats, kinds);

    internal static void AddStats(CgroupDirectory directory, CgroupStats stats, CgroupStatKinds kinds)
    {
        if (kinds.HasFlag(CgroupStatKinds.Cpu))
        {
            CpuStats cpu = stats.Cpu ??= new();
            stats.Add(directory, "cpu.stat", (_, text) => cpu.Update(text, v1: false));
        }

        if ((kinds & (CgroupStatKinds.Memory | CgroupStatKinds.MemoryDetail | CgroupStatKinds.MemoryNuma)) != 0
            && directory.Has("memory.current"))
            AddMemory(directory, stats, kinds);
        if (kinds.HasFlag(CgroupStatKinds.Pids) && directory.Has("pids.current"))
        {
            PidsStats pids = stats.Pids ??= new();
            stats.Add(directory, "pids.current", (_, text) => pids.Current = Number(text));
            stats.Add(directory, "pids.peak", (_, text) => pids.Peak = Number(text));
            stats.Add(directory, "pids.max", (_, text) => pids.Max = Number(text));
            stats.Add(directory, "pids.events", (_, text) => { pids.Events.Parse(text); pids.Refused = pids.Events.Get("max"); });
        }

        if (kinds.HasFlag(CgroupStatKinds.Io) && directory.Has("io.stat"))
        {
            IoStats io = stats.Io ??= new();
            stats.Add(directory, "io.stat", (_, text) => io.Devices.Parse(text));
        }

        if (kinds.HasFlag(CgroupStatKinds.Rdma) && directory.Has("rdma.current"))
            stats.Add(directory, "rdma.current", (s, text) => (s.Rdma ??= new()).Parse(text));
        if (kinds.HasFlag(CgroupStatKinds.Misc) && directory.Has("misc.current"))
            stats.Add(directory, "misc.current", (s, text) => (s.Misc ??= new()).Parse(text));
        if (kinds.HasFlag(CgroupStatKinds.Dmem) && directory.Has("dmem.current"))
            stats.Add(directory, "dmem.current", (s, text) => (s.Dmem ??= new()).Parse(text));
        if (kinds.HasFlag(CgroupStatKinds.Cgroup))
            stats.Add(directory, "cgroup.stat", (s, text) => (s.Cgroup ??= new()).Parse(text));
        if (kinds.HasFlag(CgroupStatKinds.Hugetlb))
            AddHugetlb(directory, stats, "current");
        if (!kinds.HasFlag(CgroupStatKinds.Pressure))
            return;
        stats.Add(directory, "cpu.pressure", static (s, text) => s.CpuPressure = Pressure.Parse(text));
        stats.Add(directory, "memory.pressure", static (s, text) => s.MemoryPressure = Pressure.Parse(text));
        stats.Add(directory, "io.pressure", static (s, text) => s.IoPressure = Pressure.Parse(text));
        stats.Add(directory, "irq.pressure", static (s, text) => s.IrqPressure = Pressure.Parse(text));
    }

    /// <summary>Adds the huge page files of every size that the kernel has.</summary>
    internal static void AddHugetlb(CgroupDirectory directory, CgroupStats stats, string current)
    {
        int count = 0;
        foreach (string size in HugetlbSizes())
        {
            foreach (string file in new[] { current, "rsvd." + current })
            {
                int at = count;
                byte[] key = System.Text.Encoding.UTF8.GetBytes(
                    $"{size}.{(file.StartsWith("rsvd", StringComparison.Ordinal) ? "rsvd.current" : "current")}");
                if (stats.Add(directory, $"hugetlb.{size}.{file}", (s, text) => (s.Hugetlb ??= new()).Set(at, key, Number(text))))
                    count++;
            }
        }
    }

    internal static long Number(ReadOnlySpan<byte> text) => KeyedValues.ParseValue(text.TrimEnd((byte)'\n'));

    private static void AddMemory(CgroupDirectory directory, CgroupStats stats, CgroupStatKinds kinds)
    {
        MemoryStats memory = stats.Memory ??= new();
        if (kinds.HasFlag(CgroupStatKinds.Memory))
        {
            stats.Add(directory, "memory.current", (_, text) => memory.Current = Number(text));
            stats.AddPeak(directory, "memory.peak", (_, text) => memory.Peak = Number(text));
            stats.Add(directory, "memory.max", (_, text) => memory.Max = Number(text));
            stats.Add(directory, "memory.swap.current", (_, text) => memory.SwapCurrent = Number(text));
            stats.Add(directory, "memory.swap.peak", (_, text) => memory.SwapPeak = Number(text));
            stats.Add(directory, "memory.events", (_, text) =>
            {
                memory.Events.Parse(text);
                memory.OomKills = memory.Events.Get("oom_kill");
                memory.LimitHits = memory.Events.Get("oom");
            });
        }

        if (kinds.HasFlag(CgroupStatKinds.MemoryDetail))
            stats.Add(directory, "memory.stat", (_, text) => memory.Detail.Parse(text));
        if (kinds.HasFlag(CgroupStatKinds.MemoryNuma))
            stats.Add(directory, "memory.numa_stat", (_, text) => memory.Numa.Parse(text));
    }

    // The kernel names sizes 2MB and 1GB in control groups, hugepages-2048kB in /sys.
    private static IEnumerable<string> HugetlbSizes()
    {
        const string Pages = "/sys/kernel/mm/hugepages";
        foreach (string directory in System.IO.Directory.Exists(Pages)
            ? System.IO.Directory.GetDirectories(Pages).Order(StringComparer.Ordinal).ToArray()
            : [])
        {
            string name = System.IO.Path.GetFileName(directory)["hugepages-".Length..^2];
            if (!long.TryParse(name, System.Globalization.NumberStyles.None,
                System.Globalization.CultureInfo.InvariantCulture, out long kibibytes))
                continue;
            yield return kibibytes >= 1 << 20 ? Text((int)(kibibytes >> 20)) + "GB"
                : kibibytes >= 1 << 10 ? Text((int)(kibibytes >> 10)) + "MB"
                : Text((int)kibibytes) + "KB";
        }
    }
}
