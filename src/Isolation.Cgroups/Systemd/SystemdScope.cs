using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using Isolation.Linux;
using Tmds.DBus.Protocol;

namespace Isolation.Cgroups;

/// <summary>A transient scope or slice of systemd: a control group that systemd makes, knows of, and removes when it is empty.</summary>
/// <remarks>On a host with systemd it is the owner of the tree: what is made behind its back may be undone by it. A scope with
/// <c>Delegate=yes</c> is ours to divide. systemd gets limits as properties, writes the files, and keeps the limits through a
/// daemon-reload; a setting that has no property is written to its file. Calls go over D-Bus, each with
/// a time limit, and are finished on the calling thread. See org.freedesktop.systemd1(5), systemd.resource-control(5).</remarks>
/// <example><code>
/// using SystemdScope scope = SystemdScope.Start("job-17.scope", processId, CgroupSettings.None.WithMemoryMax(ByteSize.FromMebibytes(64)));
/// scope.Cgroup.WithPidsMax(10); // or scope.Apply, which tells systemd too
/// </code></example>
public sealed class SystemdScope : IDisposable
{
    /// <summary>How long each call may take unless that is said.</summary>
    public static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(10);

    private readonly SystemdBus _bus;

    private SystemdScope(SystemdBus bus, string unit, CgroupV2 cgroup) => (_bus, Unit, Cgroup) = (bus, unit, cgroup);

    /// <summary>Whether this host is run by systemd: sd_booted(3).</summary>
    public static bool IsAvailable => Directory.Exists("/run/systemd/system");

    /// <summary>The unit's name: <c>job-17.scope</c>.</summary>
    public string Unit { get; }

    /// <summary>Its control group. What is written there behind systemd's back lasts until systemd writes the same file again;
    /// <see cref="Apply"/> tells both.</summary>
    public CgroupV2 Cgroup { get; }

    /// <summary>Starts a transient scope around a process, with the limits in force before it returns.
    /// Calls <c>StartTransientUnit</c>.</summary>
    /// <param name="unit">The name, which ends in <c>.scope</c>.</param>
    /// <param name="processId">The process that is moved there; 0 for the caller.</param>
    /// <param name="settings">Limits.</param>
    /// <param name="devices">Device rules; null for none. systemd enforces them by its own program.</param>
    /// <param name="slice">The slice to put it in; null for systemd's own choice.</param>
    /// <param name="user">Whether to ask the user's instance of systemd and not the system's.</param>
    /// <param name="timeout">How long each call may take; null for <see cref="DefaultTimeout"/>.</param>
    /// <exception cref="LinuxException"><c>EACCES</c>: not authorised. <c>EEXIST</c>: there is such a unit.
    /// <c>ETIMEDOUT</c>: systemd did not answer.</exception>
    /// <exception cref="KernelFeatureException">There is no systemd, or the host's controllers are on version 1.</exception>
    public static SystemdScope Start(string unit, int processId, CgroupSettings? settings = null, IEnumerable<DeviceRule>? devices = null,
        string? slice = null, bool user = false, TimeSpan? timeout = null)
    {
        ArgumentNullException.ThrowIfNull(unit);
        if (!unit.EndsWith(".scope", StringComparison.Ordinal))
            throw new ArgumentException($"\"{unit}\" does not end in .scope.", nameof(unit));
        SystemdProperties properties = SystemdProperties.Of(settings ?? CgroupSettings.None, devices);
        SystemdScope scope = StartScope(Connect(user, timeout), unit, processId, properties, slice, timeout);
        // What systemd has no property for.
        scope.Cgroup.Apply(properties.Files);
        return scope;
    }

    /// <summary>Starts a transient slice: a control group for scopes and services, without processes of its own.
    /// Calls <c>StartTransientUnit</c>.</summary>
    /// <param name="unit">The name, which ends in <c>.slice</c>: <c>jobs.slice</c>, <c>jobs-night.slice</c> below it.</param>
    /// <param name="settings">Limits.</param>
    /// <param name="user">Whether to ask the user's instance of systemd and not the system's.</param>
    /// <param name="timeout">How long each call may take; null for <see cref="DefaultTimeout"/>.</param>
    /// <inheritdoc cref="Start" path="/exception"/>
    public static SystemdScope StartSlice(string unit, CgroupSettings? settings = null, bool user = false, TimeSpan? timeout = null)
    {
        ArgumentNullException.ThrowIfNull(unit);
        if (!unit.EndsWith(".slice", StringComparison.Ordinal))
            throw new ArgumentException($"\"{unit}\" does not end in .slice.", nameof(unit));
        SystemdProperties properties = SystemdProperties.Of(settings ?? CgroupSettings.None, null);
        SystemdScope slice = StartUnit(Connect(user, timeout), unit, timeout ?? DefaultTimeout, properties.Write);
        slice.Cgroup.Apply(properties.Files);
        return slice;
    }

    /// <summary>Changes limits, in systemd's books and in the files. Calls <c>SetUnitProperties</c>.</summary>
    /// <param name="settings">The limits that change.</param>
    /// <param name="devices">Device rules in the place of those before; null leaves them.</param>
    /// <exception cref="LinuxException">systemd or the kernel refused it.</exception>
    public void Apply(CgroupSettings settings, IEnumerable<DeviceRule>? devices = null)
    {
        SystemdProperties properties = SystemdProperties.Of(settings ?? throw new ArgumentNullException(nameof(settings)), devices);
        _bus.Call("SetUnitProperties", "sba(sv)", Unit, (ref writer) =>
        {
            writer.WriteString(Unit);
            writer.WriteBool(true); // until the unit is gone, not for good
            ArrayStart array = writer.WriteArrayStart(DBusType.Struct);
            properties.Write(ref writer);
            writer.WriteArrayEnd(array);
        });
        Cgroup.Apply(properties.Files);
    }

    /// <summary>Stops the unit: systemd kills what is in it. Calls <c>StopUnit</c>; returns when the job is queued.</summary>
    /// <exception cref="LinuxException">systemd refused it.</exception>
    public void Stop() => _bus.Call("StopUnit", "ss", Unit, (ref writer) =>
    {
        writer.WriteString(Unit);
        writer.WriteString("replace");
    });

    /// <summary>Moves a process to a delegated unit of the user's instance of systemd, or to a control group below it: also one of another
    /// session, which the kernel lets only the system's instance move. Calls <c>AttachProcessesToUnit</c>.</summary>
    internal static void Attach(string unit, string below, int processId)
    {
        using SystemdBus bus = SystemdBus.Open(user: true, DefaultTimeout);
        Attach(bus, unit, below, processId);
    }

    internal static void Attach(SystemdBus bus, string unit, string below, int processId) =>
        bus.Call("AttachProcessesToUnit", "ssau", unit, (ref writer) =>
        {
            writer.WriteString(unit);
            writer.WriteString(below);
            writer.WriteArray(new[] { (uint)processId });
        });

    /// <summary>Whether the user's instance of systemd has delegated a unit of its own: the property <c>Delegate</c>.</summary>
    internal static bool IsDelegated(string unit)
    {
        using SystemdBus bus = SystemdBus.Open(user: true, DefaultTimeout);
        string kind = unit.EndsWith(".scope", StringComparison.Ordinal) ? "Scope" : "Service";
        return bus.Bool(bus.PathOf("GetUnit", unit), "org.freedesktop.systemd1." + kind, "Delegate", unit);
    }

    /// <summary>Closes the connection and the control group; the unit stays as long as something is in it.</summary>
    public void Dispose()
    {
        Cgroup.Dispose();
        _bus.Dispose();
    }

    internal static void Property(ref MessageWriter writer, string name, string type, BusWrite value)
    {
        writer.WriteStructureStart();
        writer.WriteString(name);
        writer.WriteSignature(type);
        value(ref writer);
    }

    /// <summary>Starts a transient scope over a connection, which it takes over.</summary>
    internal static SystemdScope StartScope(SystemdBus bus, string unit, int processId, SystemdProperties properties, string? slice,
        TimeSpan? timeout = null) => StartUnit(bus, unit, timeout ?? DefaultTimeout, (ref writer) =>
        {
            Property(ref writer, "PIDs", "au", (ref v) => v.WriteArray(new[] { (uint)processId }));
            Property(ref writer, "Delegate", "b", (ref v) => v.WriteBool(true));
            Property(ref writer, "CollectMode", "s", (ref v) => v.WriteString("inactive-or-failed"));
            if (slice is not null)
                Property(ref writer, "Slice", "s", (ref v) => v.WriteString(slice));
            properties.Write(ref writer);
        });

    /// <summary>Starts a transient unit over a connection, which it takes over, and waits for the control group.</summary>
    internal static SystemdScope StartUnit(SystemdBus bus, string unit, TimeSpan timeout, BusWrite properties)
    {
        try
        {
            bus.Call("StartTransientUnit", "ssa(sv)a(sa(sv))", unit, (ref writer) =>
            {
                writer.WriteString(unit);
                writer.WriteString("fail");
                ArrayStart array = writer.WriteArrayStart(DBusType.Struct);
                properties(ref writer);
                writer.WriteArrayEnd(array);
                writer.WriteArrayEnd(writer.WriteArrayStart(DBusType.Struct)); // no other units
            });
            return new SystemdScope(bus, unit, WaitForCgroup(bus, unit, timeout));
        }
        catch
        {
            bus.Dispose();
            throw;
        }
    }

    private static SystemdBus Connect(bool user, TimeSpan? timeout)
    {
        if (!IsAvailable)
            throw new KernelFeatureException("a unit of systemd", "this host is not run by systemd",
                "Use Cgroup.Create, which needs none.");
        if (CgroupHierarchies.Read().Mode != CgroupMode.Unified)
            throw new KernelFeatureException("a unit of systemd", "the host's controllers are on version 1",
                "Boot with systemd.unified_cgroup_hierarchy=1.");
        return SystemdBus.Open(user, timeout ?? DefaultTimeout);
    }

    /// <summary>The call returns when the job is queued: the control group is there when the job is done.</summary>
    private static CgroupV2 WaitForCgroup(SystemdBus bus, string unit, TimeSpan timeout)
    {
        string path = bus.PathOf("LoadUnit", unit);
        string @interface = unit.EndsWith(".slice", StringComparison.Ordinal)
            ? "org.freedesktop.systemd1.Slice"
            : "org.freedesktop.systemd1.Scope";
        long begin = Stopwatch.GetTimestamp();
        while (true)
        {
            string state = bus.Text(path, "org.freedesktop.systemd1.Unit", "ActiveState", unit);
            if (state == "active" && bus.Text(path, @interface, "ControlGroup", unit) is { Length: > 0 } group)
                return CgroupV2.Open(group);
            if (state == "failed" || Stopwatch.GetElapsedTime(begin) > timeout)
                throw new LinuxException("start", $"unit \"{unit}\"", "systemd's StartTransientUnit",
                    state == "failed" ? Errno.ECANCELED : Errno.ETIMEDOUT, remedy: $"The unit is {state}; see journalctl -u {unit}.");
            Thread.Sleep(2);
        }
    }
}
