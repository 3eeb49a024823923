using System.Collections.Immutable;
using System.Globalization;
using Tmds.DBus.Protocol;

namespace Isolation.Cgroups;

/// <summary>Settings as systemd's properties, and those for which it has none. See systemd.resource-control(5).</summary>
internal sealed class SystemdProperties
{
    private static readonly Dictionary<string, string> s_sizes = new()
    {
        ["memory.min"] = "MemoryMin",
        ["memory.low"] = "MemoryLow",
        ["memory.high"] = "MemoryHigh",
        ["memory.max"] = "MemoryMax",
        ["memory.swap.max"] = "MemorySwapMax",
        ["memory.zswap.max"] = "MemoryZSwapMax",
        ["pids.max"] = "TasksMax",
        ["cpu.weight"] = "CPUWeight",
    };

    private readonly List<(string Name, string Type, BusWrite Value)> _properties = [];
    private readonly List<string> _names = [];

    private SystemdProperties()
    {
    }

    /// <summary>What is written to the files themselves.</summary>
    internal CgroupSettings Files { get; private set; } = CgroupSettings.None;

    /// <summary>The names of the properties, for tests.</summary>
    internal ImmutableArray<string> Names => [.. _names];

    internal static SystemdProperties Of(CgroupSettings settings, IEnumerable<DeviceRule>? devices)
    {
        var properties = new SystemdProperties();
        foreach (CgroupSetting setting in V2Translation.Translate(settings, file => file != "io.bfq.weight"))
        {
            if (!properties.TryAdd(setting))
                properties.Files = properties.Files.With(setting);
        }

        if (devices is not null)
            properties.AddDevices(devices);
        return properties;
    }

    internal void Write(ref MessageWriter writer)
    {
        foreach ((string name, string type, BusWrite value) in _properties)
            SystemdScope.Property(ref writer, name, type, value);
    }

    private bool TryAdd(CgroupSetting setting)
    {
        if (s_sizes.TryGetValue(setting.File, out string? property))
        {
            ulong value = setting.Value == "max" ? ulong.MaxValue : ulong.Parse(setting.Value, CultureInfo.InvariantCulture);
            Add(property, "t", (ref w) => w.WriteUInt64(value));
            return true;
        }

        switch (setting.File)
        {
            case "cpu.max":
                string[] words = setting.Value.Split(' ');
                ulong period = words.Length > 1 ? ulong.Parse(words[1], CultureInfo.InvariantCulture) : 100_000;
                // systemd counts the quota for a second, whatever the period.
                ulong quota = words[0] == "max" ? ulong.MaxValue : ulong.Parse(words[0], CultureInfo.InvariantCulture) * 1_000_000 / period;
                Add("CPUQuotaPerSecUSec", "t", (ref w) => w.WriteUInt64(quota));
                Add("CPUQuotaPeriodUSec", "t", (ref w) => w.WriteUInt64(period));
                return true;
            case "cpuset.cpus":
                Add("AllowedCPUs", "ay", (ref w) => w.WriteArray(Mask(setting.Value)));
                return true;
            case "cpuset.mems":
                Add("AllowedMemoryNodes", "ay", (ref w) => w.WriteArray(Mask(setting.Value)));
                return true;
            case "io.weight" when setting.Value.StartsWith("default ", StringComparison.Ordinal):
                ulong weight = ulong.Parse(setting.Value.AsSpan(8), CultureInfo.InvariantCulture);
                Add("IOWeight", "t", (ref w) => w.WriteUInt64(weight));
                return true;
            default:
                return false;
        }
    }

    /// <summary>Device rules as systemd takes them: a closed policy would still allow its own list, so it is strict.
    /// systemd has no rules that deny.</summary>
    private void AddDevices(IEnumerable<DeviceRule> devices)
    {
        var allowed = ImmutableArray.CreateBuilder<(string Device, string Access)>();
        foreach (DeviceRule rule in devices)
        {
            if (!rule.Allow)
                throw new ArgumentException($"\"{rule}\": systemd has rules that allow only.", nameof(devices));
            foreach (DeviceKind kind in rule.Kind == DeviceKind.All ? new[] { DeviceKind.Block, DeviceKind.Character } : [rule.Kind])
                allowed.Add((Specifier(kind, rule), rule.AccessText));
        }

        Add("DevicePolicy", "s", (ref w) => w.WriteString("strict"));
        Add("DeviceAllow", "a(ss)", (ref w) =>
        {
            ArrayStart array = w.WriteArrayStart(DBusType.Struct);
            foreach ((string device, string access) in allowed)
            {
                w.WriteStructureStart();
                w.WriteString(device);
                w.WriteString(access);
            }

            w.WriteArrayEnd(array);
        });
    }

    private static string Specifier(DeviceKind kind, DeviceRule rule)
    {
        string word = kind == DeviceKind.Block ? "block" : "char";
        // A whole driver is named by its number too; all of them by a pattern.
        return rule switch
        {
            { Major: null } => word + "-*",
            { Minor: null } => string.Create(CultureInfo.InvariantCulture, $"{word}-{rule.Major}"),
            _ => string.Create(CultureInfo.InvariantCulture, $"/dev/{word}/{rule.Major}:{rule.Minor}"),
        };
    }

    private static byte[] Mask(string list)
    {
        int[] numbers = CpuList.Parse(list);
        var mask = new byte[numbers.Length == 0 ? 0 : (numbers[^1] / 8) + 1];
        foreach (int number in numbers)
            mask[number / 8] |= (byte)(1 << (number % 8));
        return mask;
    }

    private void Add(string name, string type, BusWrite value)
    {
        _properties.Add((name, type, value));
        _names.Add(name);
    }
}
