namespace Isolation.Cgroups;

/// <summary>Block I/O: <c>io.stat</c>; on version 1 <c>blkio.throttle.io_service_bytes_recursive</c>
/// and <c>io_serviced_recursive</c>.</summary>
public sealed class IoStats
{
    /// <summary>Bytes read from all devices.</summary>
    public long ReadBytes => IsV1 ? Devices.Sum("Read") : Devices.Sum("rbytes");

    /// <summary>Bytes written to all devices.</summary>
    public long WriteBytes => IsV1 ? Devices.Sum("Write") : Devices.Sum("wbytes");

    /// <summary>Reads of all devices.</summary>
    public long ReadOperations => IsV1 ? Operations.Sum("Read") : Devices.Sum("rios");

    /// <summary>Writes of all devices.</summary>
    public long WriteOperations => IsV1 ? Operations.Sum("Write") : Devices.Sum("wios");

    /// <summary>Every number by device: <c>rbytes</c>, <c>wbytes</c>, <c>rios</c>, <c>wios</c>, <c>dbytes</c>, <c>dios</c>, cost.* and what
    /// else there is; on version 1 bytes as <c>Read</c>, <c>Write</c>, <c>Sync</c>, <c>Async</c>, <c>Discard</c>, <c>Total</c>.</summary>
    public NestedValues Devices { get; } = new();

    /// <summary>On version 1, operations by device; empty on version 2.</summary>
    public NestedValues Operations { get; } = new();

    internal bool IsV1 { get; init; }
}
