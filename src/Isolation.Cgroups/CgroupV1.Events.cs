using Isolation.Linux;

namespace Isolation.Cgroups;

public sealed partial class CgroupV1
{
    // The kernel counts refused forks on version 1 as well, but announces them on version 2 alone.
    private protected override bool Announces(string file) => file != "pids.events" || TryDirectory("pids") is null;

    // Version 1 has event files for pids alone; version 2's directory has its own.
    private protected override EventFile OpenEvents(string file)
    {
        if (file.StartsWith("cgroup.", StringComparison.Ordinal) || TryDirectory(new CgroupSetting(file,
            "").Controller) is not { } directory)
            return EventFile.Open(Main, file);
        return directory.Has(file) ? EventFile.Open(directory, file)
            : throw new KernelFeatureException($"{file} on control groups of version 1",
            "only version 2 has it", file.StartsWith("memory.", StringComparison.Ordinal)
                ? "Use OomPolicy, or MemoryStats.OomKills, or a host with version 2." : "Use a host with version 2.");
    }
}
