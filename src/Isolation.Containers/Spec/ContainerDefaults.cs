using System.Collections.Immutable;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Containers;

/// <summary>The defaults of a container: deny; each relaxation is a named call.</summary>
public static class ContainerDefaults
{
    /// <summary>The search path that a program gets.</summary>
    public const string Path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    /// <summary>The capabilities: Docker's fourteen.</summary>
    public static CapabilityState Capabilities { get; } = CapabilityState.Of(CapabilitySet.DockerDefault);

    /// <summary>The default limit of processes and threads of a container that has a control group of its own.</summary>
    public const int PidsMax = 4096;

    /// <summary>Mounts of every container: /proc, /dev, /sys, and its own control group, read-only;
    /// the last is left out where version 2 is not mounted.</summary>
    public static ImmutableArray<Mount> Mounts { get; } = [new ProcMount(), new DevMount(), new SysfsMount(), new Cgroup2Mount()];

    /// <summary>Paths hidden from the program: kernel memory, keys, timers, firmware.</summary>
    public static ImmutableArray<string> MaskedPaths { get; } =
    [
        "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
        "/proc/sched_debug", "/proc/scsi",
        "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
    ];

    /// <summary>Paths that the program can only read: kernel settings and triggers.</summary>
    public static ImmutableArray<string> ReadOnlyPaths { get; } =
        ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
}
