using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux;

namespace Isolation.Cgroups;

/// <summary>Turns settings into what version 2 takes: version 1's shares become a weight,
/// what only version 1 has is refused by name.</summary>
internal static class V2Translation
{
    private static readonly string[] s_onlyV1 = ["cpu.rt_runtime_us", "cpu.rt_period_us", "memory.swappiness", "net_cls.classid",
        "net_prio.ifpriomap"];

    /// <param name="settings">What is wanted.</param>
    /// <param name="hasFile">Whether the control group has a file.</param>
    /// <param name="read">What a file says now; null for a new control group.</param>
    internal static ImmutableArray<CgroupSetting> Translate(CgroupSettings settings, Func<string, bool> hasFile, Func<string,
        string?>? read = null)
    {
        string Now(string file, string initial) => settings[file] ?? read?.Invoke(file)?.Trim() ?? initial;
        var result = ImmutableArray.CreateBuilder<CgroupSetting>();
        foreach (CgroupSetting setting in WithOneBandwidth(settings, Now))
            result.Add(CgroupSetting.Checked(setting, s => s.File == CgroupSetting.MemoryAndSwap ? Swap(s, Now("memory.max", "max"))
                : Translate(s, hasFile)));
        return result.ToImmutable();
    }

    /// <summary>Version 1's period and quota have a file of their own each; here they share one. What is not named stays as it
    /// is.</summary>
    private static ImmutableArray<CgroupSetting> WithOneBandwidth(CgroupSettings settings, Func<string, string, string> now)
    {
        (string? quota, string? period) = (settings[CgroupSetting.Quota], settings[CgroupSetting.Period]);
        if (quota is null && period is null)
            return [.. settings];
        string[] words = now("cpu.max", "max 100000").Split(' ');
        period ??= words.Length > 1 ? words[1] : null;
        quota = quota is null ? words[0] : quota == "-1" ? "max" : quota;
        CgroupSetting both = new("cpu.max", period is null ? quota : $"{quota} {period}");
        return [.. settings.Where(s => s.File is not ("cpu.max" or CgroupSetting.Quota or CgroupSetting.Period)), both];
    }

    private static CgroupSetting Swap(CgroupSetting both, string memoryMax)
    {
        if (both.Value is "-1" or "max")
            return new("memory.swap.max", "max");
        (ByteSize sum, ByteSize memory) = (ByteSize.Parse(both.Value), ByteSize.Parse(memoryMax));
        if (memory.IsMax || sum < memory)
            throw new FormatException(memory.IsMax ? "memory and swap together have no limit while memory has none."
                : $"that is below the limit of memory, {memory}.");
        return new("memory.swap.max", new ByteSize(sum.Bytes - memory.Bytes).ToString());
    }

    private static CgroupSetting Translate(CgroupSetting setting, Func<string, bool> hasFile)
    {
        if (s_onlyV1.Contains(setting.File))
            throw new KernelFeatureException($"{setting.File} on control groups of version 2", "only version 1 has it",
                Remedy(setting.File));
        return setting.File switch
        {
            "cpu.shares" => new("cpu.weight",
                CpuControls.WeightOfShares(long.Parse(setting.Value, CultureInfo.InvariantCulture)).ToString(CultureInfo.InvariantCulture)),
            // BFQ has weights of its own, up to 1000, where the cost model is not built.
            "io.weight" when !hasFile("io.weight") && hasFile("io.bfq.weight") => new("io.bfq.weight", BfqWeight(setting.Value)),
            _ => setting,
        };
    }

    /// <summary>A weight of 1 to 10000 as BFQ's 1 to 1000:
    /// both have 100 in the middle, and what is above it is scaled, as systemd does.</summary>
    internal static string BfqWeight(string value)
    {
        string[] words = value.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length is 0 or > 2 || !long.TryParse(words[^1], NumberStyles.None, CultureInfo.InvariantCulture, out long weight)
            || weight is < 1 or > 10_000)
            throw new FormatException($"\"{value}\" is not a weight of 1 to 10000, with default or a device before it.");
        if (weight > 100)
            weight = 100 + ((weight - 100) * 900 / 9900);
        string text = weight.ToString(CultureInfo.InvariantCulture);
        return words.Length == 1 || words[0] == "default" ? text : $"{words[0]} {text}";
    }

    private static string? Remedy(string file) => file switch
    {
        "memory.swappiness" => "Use memory.swap.max and memory.swap.high.",
        "net_cls.classid" or "net_prio.ifpriomap" => "Match the control group's path: nftables socket cgroupv2.",
        _ => null,
    };
}
