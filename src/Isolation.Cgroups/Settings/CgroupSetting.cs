using System.Collections.Immutable;
using System.Globalization;

namespace Isolation.Cgroups;

/// <summary>A value to write to a file of a control group. Plain data: printed, compared, applied by one writer.</summary>
/// <example><code>CgroupSettings settings = CgroupSettings.None.With(new CgroupSetting("memory.high", "64M"));</code></example>
/// <param name="File">The interface file: <c>memory.max</c>. Files of version 1 are named as there: <c>cpu.rt_runtime_us</c>.</param>
/// <param name="Value">The text that is written.</param>
public sealed record CgroupSetting(string File, string Value)
{
    /// <summary>Version 1's words for what version 2 has in one file or apart; understood on both.</summary>
    internal const string Quota = "cpu.cfs_quota_us", Period = "cpu.cfs_period_us", MemoryAndSwap = "memory.memsw.limit_in_bytes";

    // Files with a line for each device or resource: a write changes that line alone.
    private static readonly string[] s_keyed =
    [
        "io.max", "io.weight", "io.bfq.weight", "io.latency", "io.cost.qos", "io.cost.model", "rdma.max", "misc.max", "dmem.max",
        "dmem.min", "dmem.low", "net_prio.ifpriomap",
        "blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device", "blkio.throttle.read_iops_device",
        "blkio.throttle.write_iops_device", "blkio.weight_device", "blkio.bfq.weight_device",
    ];

    // Files whose lines have several limits: a write changes those that it names.
    private static readonly string[] s_paired = ["io.max", "io.cost.qos", "io.cost.model", "rdma.max"];

    /// <summary>The controller that has the file: <c>memory</c>; <c>cgroup</c> for the files that every control group has.</summary>
    public string Controller => File.Contains('.', StringComparison.Ordinal) ? File[..File.IndexOf('.', StringComparison.Ordinal)] : File;

    /// <summary>Whether the value begins with a device.</summary>
    internal bool IsPerDevice => s_keyed.Contains(File) && Value.Contains(':', StringComparison.Ordinal);

    /// <summary>What a later setting must agree in to replace this one:
    /// the file and, in files with a line for each device, the device.</summary>
    internal string Key => s_keyed.Contains(File) ? $"{File} {Value.Split(' ', 2)[0]}" : File;

    /// <summary>Translates a setting; a value that is none is told with its file.</summary>
    internal static T Checked<T>(CgroupSetting setting, Func<CgroupSetting, T> translate)
    {
        try
        {
            return translate(setting);
        }
        catch (Exception e) when (e is FormatException or OverflowException)
        {
            throw new FormatException($"{setting.File} cannot be \"{setting.Value}\": {e.Message}", e);
        }
    }

    /// <summary>What one write has to say so that it has the effect of an earlier one and then this: limits that only the earlier one names
    /// stay.</summary>
    internal CgroupSetting After(CgroupSetting earlier)
    {
        string[] before = earlier.Value.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        string[] now = Value.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        // A quota alone leaves the period.
        if (File == "cpu.max" && before.Length == 2 && now.Length == 1)
            return this with { Value = $"{now[0]} {before[1]}" };
        if (!s_paired.Contains(File) || now.Length == 0)
            return this;
        static string Name(string pair) => pair.Split('=', 2)[0];
        IEnumerable<string> kept = before.Skip(1).Where(b => !now.Skip(1).Select(Name).Contains(Name(b)));
        return this with { Value = string.Join(' ', [now[0], .. kept, .. now.Skip(1)]) };
    }

    /// <summary>Puts the CPU time that may be saved up where the kernel takes it: before the quota where it becomes less, else
    /// behind.</summary>
    internal static ImmutableArray<CgroupSetting> BurstInOrder(ImmutableArray<CgroupSetting> settings, string file, Func<string,
        string?> read)
    {
        if (settings.FirstOrDefault(s => s.File == file) is not { } burst)
            return settings;
        bool isLess = long.TryParse(read(file), CultureInfo.InvariantCulture, out long now)
            && long.TryParse(burst.Value, CultureInfo.InvariantCulture, out long wanted) && wanted < now;
        return isLess ? [burst, .. settings.Remove(burst)] : [.. settings.Remove(burst), burst];
    }

    /// <summary>The setting as <c>FILE = VALUE</c>.</summary>
    public override string ToString() => $"{File} = {Value}";
}
