namespace Isolation.Cgroups;

/// <summary>The I/O controller's settings.</summary>
/// <remarks>See the kernel's cgroup-v2 guide, "IO Interface Files". Scope of each: the control group and everything below it.</remarks>
public static class IoControls
{
    /// <summary>Throttles a block device. Writes <c>io.max</c>; on version 1 <c>blkio.throttle.*_device</c>. What an earlier call has set
    /// for the device and this one leaves null stays.</summary>
    /// <param name="cgroup">What takes the setting.</param>
    /// <param name="device">The device: a whole disk.</param>
    /// <param name="max">Limits of at least 1 per second: version 2 refuses 0, and version 1 takes it for no limit.</param>
    /// <exception cref="ArgumentOutOfRangeException">A limit is 0.</exception>
    public static T WithIoMax<T>(this T cgroup, DeviceNumber device, IoMax max) where T : ICgroupControls<T>
    {
        ArgumentNullException.ThrowIfNull(max);
        if (max is { ReadBytesPerSecond.Value: 0 } or { WriteBytesPerSecond.Value: 0 }
            or { ReadOperationsPerSecond.Value: 0 } or { WriteOperationsPerSecond.Value: 0 })
            throw new ArgumentOutOfRangeException(nameof(max), max, "Must be at least 1 per second; CgroupLimit.Max is no limit.");
        return CgroupControls.Set(cgroup, "io.max", $"{device} {max}");
    }

    /// <summary>The share of I/O against siblings, 1 to 10000; 100 is the default. Writes <c>io.weight</c>, or <c>io.bfq.weight</c> where
    /// only BFQ has weights; on version 1 <c>blkio.weight</c>.</summary>
    public static T WithIoWeight<T>(this T cgroup, int weight) where T : ICgroupControls<T> =>
        CgroupControls.Set(cgroup, "io.weight", "default " + Check(weight));

    /// <summary>The share of one device's I/O. Writes a line of <c>io.weight</c>.</summary>
    public static T WithIoWeight<T>(this T cgroup, DeviceNumber device, int weight) where T : ICgroupControls<T> =>
        CgroupControls.Set(cgroup, "io.weight", $"{device} {Check(weight)}");

    /// <summary>The latency that is to be kept by throttling siblings with larger ones. Writes <c>io.latency</c>.
    /// Since Linux 4.19, with <c>CONFIG_BLK_CGROUP_IOLATENCY</c>; not on version 1.</summary>
    public static T WithIoLatency<T>(this T cgroup, DeviceNumber device, TimeSpan target) where T : ICgroupControls<T>
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(target, TimeSpan.Zero);
        string microseconds = ((long)target.TotalMicroseconds).ToString(System.Globalization.CultureInfo.InvariantCulture);
        return CgroupControls.Set(cgroup, "io.latency", $"{device} target={microseconds}");
    }

    /// <summary>The quality of service of the cost model: <c>enable=1 ctrl=user rpct=95 rlat=75000</c>.
    /// Writes <c>io.cost.qos</c>: root control group only. Since Linux 5.4; not on version 1.</summary>
    public static T WithIoCostQos<T>(this T cgroup, DeviceNumber device, string parameters) where T : ICgroupControls<T> =>
        CgroupControls.Set(cgroup, "io.cost.qos", $"{device} {parameters ?? throw new ArgumentNullException(nameof(parameters))}");

    /// <summary>The cost model of a device: <c>ctrl=user model=linear rbps=...</c>. Writes <c>io.cost.model</c>: root control group only.
    /// Since Linux 5.4; not on version 1.</summary>
    public static T WithIoCostModel<T>(this T cgroup, DeviceNumber device, string parameters) where T : ICgroupControls<T> =>
        CgroupControls.Set(cgroup, "io.cost.model", $"{device} {parameters ?? throw new ArgumentNullException(nameof(parameters))}");

    /// <summary>The priority class of requests. Writes <c>io.prio.class</c>.
    /// Since Linux 5.14, with <c>CONFIG_BLK_CGROUP_IOPRIO</c>; not on version 1.</summary>
    public static T WithIoPriorityClass<T>(this T cgroup, IoPriorityPolicy priority) where T : ICgroupControls<T> =>
        CgroupControls.Set(cgroup, "io.prio.class", priority switch
        {
            IoPriorityPolicy.NoChange => "no-change",
            IoPriorityPolicy.PromoteToRt => "promote-to-rt",
            IoPriorityPolicy.RestrictToBe => "restrict-to-be",
            IoPriorityPolicy.Idle => "idle",
            _ => throw new ArgumentOutOfRangeException(nameof(priority)),
        });

    private static int Check(int weight)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(weight, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(weight, 10000);
        return weight;
    }
}
