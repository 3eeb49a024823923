using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Systemd;

namespace Isolation.Cgroups;

/// <summary>A transient scope or slice of systemd: a control group that systemd makes, knows of, and removes when it is empty.</summary>
/// <remarks>On a host with systemd it is the owner of the tree: what is made behind its back may be undone by it. A scope with
/// <c>Delegate=yes</c> is ours to divide. systemd gets limits as properties, writes the files, and keeps the limits through a
/// daemon-reload; a setting that has no property is written to its file. Calls go through sd-bus (libsystemd, loaded at the first use),
/// each with a time limit. See org.freedesktop.systemd1(5), systemd.resource-control(5).</remarks>
/// <example><code>
/// using SystemdScope scope = SystemdScope.Start("job-17.scope", processId, CgroupSettings.None.WithMemoryMax(ByteSize.FromMebibytes(64)));
/// scope.Cgroup.WithPidsMax(10); // or scope.Apply, which tells systemd too
/// </code></example>
public sealed class SystemdScope : IDisposable
{
    private const string Manager = "/org/freedesktop/systemd1", ManagerInterface = "org.freedesktop.systemd1.Manager";

    /// <summary>How long each call may take unless that is said.</summary>
    public static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(10);

    private readonly SdBusConnection _bus;

    private SystemdScope(SdBusConnection bus, string unit, CgroupV2 cgroup) => (_bus, Unit, Cgroup) = (bus, unit, cgroup);

    /// <summary>Whether this host is run by systemd, and libsystemd is there to talk to it.</summary>
    public static bool IsAvailable => Directory.Exists("/run/systemd/system") && SdBus.IsAvailable;

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
    /// <exception cref="KernelFeatureException">There is no systemd, no libsystemd, or the host's controllers are on version 1.</exception>
    public static SystemdScope Start(string unit, int processId, CgroupSettings? settings = null, IEnumerable<DeviceRule>? devices = null,
        string? slice = null, bool user = false, TimeSpan? timeout = null)
    {
        ArgumentNullException.ThrowIfNull(unit);
        if (!unit.EndsWith(".scope", StringComparison.Ordinal))
            throw new ArgumentException($"\"{unit}\" does not end in .scope.", nameof(unit));
        SystemdProperties properties = SystemdProperties.Of(settings ?? CgroupSettings.None, devices);
        SystemdScope scope = StartUnit(unit, user, timeout ?? DefaultTimeout, writer =>
        {
            Property(writer, "PIDs", "au", v => v.Container('a', "u", a => a.UInt32((uint)processId)));
            Property(writer, "Delegate", "b", v => v.Bool(true));
            Property(writer, "CollectMode", "s", v => v.String("inactive-or-failed"));
            if (slice is not null)
                Property(writer, "Slice", "s", v => v.String(slice));
            properties.Write(writer);
        });
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
        SystemdScope slice = StartUnit(unit, user, timeout ?? DefaultTimeout, properties.Write);
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
        _bus.Call(Manager, ManagerInterface, "SetUnitProperties", $"unit \"{Unit}\"", writer =>
        {
            writer.String(Unit);
            writer.Bool(true); // until the unit is gone, not for good
            writer.Container('a', "(sv)", properties.Write);
        }, _ => true);
        Cgroup.Apply(properties.Files);
    }

    /// <summary>Stops the unit: systemd kills what is in it. Calls <c>StopUnit</c>; returns when the job is queued.</summary>
    /// <exception cref="LinuxException">systemd refused it.</exception>
    public void Stop() => _bus.Call(Manager, ManagerInterface, "StopUnit", $"unit \"{Unit}\"", writer =>
    {
        writer.String(Unit);
        writer.String("replace");
    }, _ => true);

    /// <summary>Moves a process to a delegated unit of the user's instance of systemd, or to a control group below it: also one of another
    /// session, which the kernel lets only the system's instance move. Calls <c>AttachProcessesToUnit</c>.</summary>
    internal static void Attach(string unit, string below, int processId)
    {
        using SdBusConnection bus = SdBusConnection.Open(user: true, DefaultTimeout);
        bus.Call(Manager, ManagerInterface, "AttachProcessesToUnit", $"unit \"{unit}\"", writer =>
        {
            writer.String(unit);
            writer.String(below);
            writer.Container('a', "u", a => a.UInt32((uint)processId));
        }, _ => true);
    }

    /// <summary>Whether the user's instance of systemd has delegated a unit of its own: the property <c>Delegate</c>.</summary>
    internal static bool IsDelegated(string unit)
    {
        using SdBusConnection bus = SdBusConnection.Open(user: true, DefaultTimeout);
        string path = bus.Call(Manager, ManagerInterface, "GetUnit", $"unit \"{unit}\"", w => w.String(unit), r => r.String('o'));
        string kind = unit.EndsWith(".scope", StringComparison.Ordinal) ? "Scope" : "Service";
        return bus.Call(path, "org.freedesktop.DBus.Properties", "Get", $"unit \"{unit}\"", w =>
        {
            w.String("org.freedesktop.systemd1." + kind);
            w.String("Delegate");
        }, r => r.BoolVariant());
    }

    /// <summary>Closes the connection and the control group; the unit stays as long as something is in it.</summary>
    public void Dispose()
    {
        Cgroup.Dispose();
        _bus.Dispose();
    }

    internal static void Property(SdBusWriter writer, string name, string type,
        Action<SdBusWriter> value) => writer.Container('r', "sv", s =>
    {
        s.String(name);
        s.Container('v', type, value);
    });

    private static SystemdScope StartUnit(string unit, bool user, TimeSpan timeout, Action<SdBusWriter> properties)
    {
        if (!Directory.Exists("/run/systemd/system"))
            throw new KernelFeatureException("a unit of systemd", "this host is not run by systemd",
                "Use Cgroup.Create, which needs none.");
        if (CgroupHierarchies.Read().Mode != CgroupMode.Unified)
            throw new KernelFeatureException("a unit of systemd", "the host's controllers are on version 1",
                "Boot with systemd.unified_cgroup_hierarchy=1.");
        SdBusConnection bus = SdBusConnection.Open(user, timeout);
        try
        {
            bus.Call(Manager, ManagerInterface, "StartTransientUnit", $"unit \"{unit}\"", writer =>
            {
                writer.String(unit);
                writer.String("fail");
                writer.Container('a', "(sv)", properties);
                writer.Container('a', "(sa(sv))", _ => { });
            }, _ => true);
            return new SystemdScope(bus, unit, WaitForCgroup(bus, unit, timeout));
        }
        catch
        {
            bus.Dispose();
            throw;
        }
    }

    /// <summary>The call returns when the job is queued: the control group is there when the job is done.</summary>
    private static CgroupV2 WaitForCgroup(SdBusConnection bus, string unit, TimeSpan timeout)
    {
        string path = bus.Call(Manager, ManagerInterface, "LoadUnit", $"unit \"{unit}\"", w => w.String(unit), r => r.String('o'));
        string @interface = unit.EndsWith(".slice", StringComparison.Ordinal)
            ? "org.freedesktop.systemd1.Slice"
            : "org.freedesktop.systemd1.Scope";
        long begin = Stopwatch.GetTimestamp();
        while (true)
        {
            string state = Get(bus, path, "org.freedesktop.systemd1.Unit", "ActiveState", unit);
            if (state == "active" && Get(bus, path, @interface, "ControlGroup", unit) is { Length: > 0 } group)
                return CgroupV2.Open(group);
            if (state == "failed" || Stopwatch.GetElapsedTime(begin) > timeout)
                throw new LinuxException("start", $"unit \"{unit}\"", "systemd's StartTransientUnit",
                    state == "failed" ? Errno.ECANCELED : Errno.ETIMEDOUT, remedy: $"The unit is {state}; see journalctl -u {unit}.");
            Thread.Sleep(2);
        }
    }

    private static string Get(SdBusConnection bus, string path, string @interface, string name, string unit) =>
        bus.Call(path, "org.freedesktop.DBus.Properties", "Get", $"unit \"{unit}\"", w =>
        {
            w.String(@interface);
            w.String(name);
        }, r => r.StringVariant());
}
