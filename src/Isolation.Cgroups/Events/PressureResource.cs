namespace Isolation.Cgroups;

/// <summary>The resource that pressure is measured of.</summary>
public enum PressureResource
{
    /// <summary>The CPU.</summary>
    Cpu,

    /// <summary>Memory.</summary>
    Memory,

    /// <summary>Block I/O.</summary>
    Io,

    /// <summary>Interrupts; only <see cref="PressureTrigger.Full"/>. Since Linux 6.1.</summary>
    Irq,
}
