namespace Isolation.Cgroups;

/// <summary>A value to write to a file of a control group. Plain data: printed, compared, applied by one writer.</summary>
/// <param name="File">The interface file: <c>memory.max</c>. Files of version 1 are named as there: <c>cpu.rt_runtime_us</c>.</param>
/// <param name="Value">The text that is written.</param>
public sealed record CgroupSetting(string File, string Value)
{
    // Files with a line for each device or resource: a write changes that line alone.
    private static readonly string[] s_keyed =
    [
        "io.max", "io.weight", "io.bfq.weight", "io.latency", "io.cost.qos", "io.cost.model", "rdma.max", "misc.max", "dmem.max", "dmem.min", "dmem.low", "net_prio.ifpriomap",
        "blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device", "blkio.throttle.read_iops_device", "blkio.throttle.write_iops_device", "blkio.weight_device", "blkio.bfq.weight_device",
    ];

    /// <summary>The controller that has the file: <c>memory</c>; <c>cgroup</c> for the files that every control group has.</summary>
    public string Controller => File.Contains('.', StringComparison.Ordinal) ? File[..File.IndexOf('.', StringComparison.Ordinal)] : File;

    /// <summary>What a later setting must agree in to replace this one: the file and, in files with a line for each device, the device.</summary>
    internal string Key => s_keyed.Contains(File) ? $"{File} {Value.Split(' ', 2)[0]}" : File;

    /// <summary>The setting as <c>FILE = VALUE</c>.</summary>
    public override string ToString() => $"{File} = {Value}";
}
