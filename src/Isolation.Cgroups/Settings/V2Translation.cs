using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux;

namespace Isolation.Cgroups;

/// <summary>Turns settings into what version 2 takes: version 1's shares become a weight, what only version 1 has is refused by name.</summary>
internal static class V2Translation
{
    private static readonly string[] s_onlyV1 = ["cpu.rt_runtime_us", "cpu.rt_period_us", "memory.swappiness", "net_cls.classid", "net_prio.ifpriomap"];

    internal static ImmutableArray<CgroupSetting> Translate(CgroupSettings settings, Func<string, bool> hasFile) => [.. settings.Select(s => Translate(s, hasFile))];

    private static CgroupSetting Translate(CgroupSetting setting, Func<string, bool> hasFile)
    {
        if (s_onlyV1.Contains(setting.File))
            throw new KernelFeatureException($"{setting.File} on control groups of version 2", "only version 1 has it", Remedy(setting.File));
        return setting.File switch
        {
            "cpu.shares" => new("cpu.weight", CpuControls.WeightOfShares(long.Parse(setting.Value, CultureInfo.InvariantCulture)).ToString(CultureInfo.InvariantCulture)),
            // BFQ has weights of its own, up to 1000, where the cost model is not built.
            "io.weight" when !hasFile("io.weight") && hasFile("io.bfq.weight") => new("io.bfq.weight", ClampWeight(setting.Value)),
            _ => setting,
        };
    }

    internal static string ClampWeight(string value)
    {
        string[] words = value.Split(' ');
        long weight = Math.Min(long.Parse(words[^1], CultureInfo.InvariantCulture), 1000);
        return words[0] == "default" ? weight.ToString(CultureInfo.InvariantCulture) : string.Create(CultureInfo.InvariantCulture, $"{words[0]} {weight}");
    }

    private static string? Remedy(string file) => file switch
    {
        "memory.swappiness" => "Use memory.swap.max and memory.swap.high.",
        "net_cls.classid" or "net_prio.ifpriomap" => "Match the control group's path: nftables socket cgroupv2.",
        _ => null,
    };
}
