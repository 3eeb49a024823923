using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Syscalls;

namespace Isolation.Cgroups;

public sealed partial class CgroupV1
{
    /// <inheritdoc/>
    /// <remarks>A hierarchy that it is not in yet is joined where a setting needs it: a control group is made there, below the one that its
    /// processes are in, and they are moved.</remarks>
    public override void Apply(CgroupSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        // A controller that is not on version 1 here is on version 2, if anywhere.
        CgroupSettings here = CgroupSettings.None, unified = CgroupSettings.None;
        foreach (CgroupSetting setting in settings)
        {
            if (_directories.ContainsKey(V1Controller(setting.Controller)))
                here = here.With(setting);
            else if (_unified is not null && (setting.Controller == "cgroup" || _unified.ReadControllers().Contains(setting.Controller)
                || !IsV1Word(setting.Controller)))
                unified = unified.With(setting);
            else if (TryJoin(V1Controller(setting.Controller)))
                here = here.With(setting);
            else
                throw new KernelFeatureException($"{setting.File}", $"the controller {setting.Controller} is not mounted",
                    "Mount its hierarchy, or use a host with version 2.");
        }

        ImmutableArray<CgroupSetting> ordered = InOrder(V1Translation.Translate(WithSwap(here), () => ReadBytes("memory.limit_in_bytes"),
            Has));
        CgroupSetting? quota = ordered.FirstOrDefault(s => s.File == CgroupSetting.Quota), period = ordered.FirstOrDefault(s =>
            s.File == CgroupSetting.Period);
        foreach (CgroupSetting setting in ordered)
        {
            if (quota is null || period is null || (setting != quota && setting != period))
                Directory(setting.Controller).Write(setting with { Value = ValueFor(setting) });
            else if (setting == quota)
                WriteBandwidth(quota, period);
        }

        _unified?.Apply(unified);
    }

    /// <summary>The limit of swap is a part of that of both together: it stays as it is when memory's changes. Without a limit of memory
    /// there is none of both.</summary>
    private CgroupSettings WithSwap(CgroupSettings settings)
    {
        if (settings["memory.max"] is not { } memory || settings["memory.swap.max"] is not null
            || settings[CgroupSetting.MemoryAndSwap] is not null
            || !Has(CgroupSetting.MemoryAndSwap))
            return settings;
        if (memory == "max")
            return settings.WithMemorySwapMax(ByteSize.Max);
        return ReadSwapMax() is { IsMax: false } swap ? settings.WithMemorySwapMax(swap) : settings;
    }

    /// <summary>What is written: an empty list of processors or nodes means those of the control group above, and is none that processes
    /// could be in.</summary>
    private string ValueFor(CgroupSetting setting)
    {
        if (setting.Value.Length > 0 || setting.File is not ("cpuset.cpus" or "cpuset.mems")
            || Directory("cpuset") is not { IsRoot: false } cpuset)
            return setting.Value;
        using CgroupDirectory? above = CgroupDirectory.TryOpen(cpuset.MountPoint, cpuset.Parts[..^1]);
        return above?.Read(setting.File).Trim() ?? "";
    }

    /// <summary>Writes a quota and its period. Whichever goes first, the share between the two writes may be more than the control group
    /// above has, or less than one below: then there is no quota between them.</summary>
    private void WriteBandwidth(CgroupSetting quota, CgroupSetting period)
    {
        CgroupDirectory cpu = Directory("cpu");
        CgroupSetting oldQuota = quota with { Value = cpu.Read(quota.File).Trim() },
            oldPeriod = period with { Value = cpu.Read(period.File).Trim() };
        bool periodFirst = quota.Value != "-1" && IsAbove(period.Value, oldPeriod.Value);
        (CgroupSetting first, CgroupSetting second) = periodFirst ? (period, quota) : (quota, period);
        if (!cpu.TryWrite(first.File, first.Value, out _).IsError && !cpu.TryWrite(second.File, second.Value, out _).IsError)
            return;
        CgroupSetting lifted = quota with { Value = "-1" };
        try
        {
            cpu.Write(lifted);
            cpu.Write(period);
            cpu.Write(quota);
        }
        catch (LinuxException)
        {
            foreach (CgroupSetting setting in new[] { lifted, oldPeriod, oldQuota })
                cpu.TryWrite(setting.File, setting.Value, out _);
            throw;
        }
    }

    /// <summary>Puts what must be written before what: no state between two writes may be one that the kernel refuses.</summary>
    private ImmutableArray<CgroupSetting> InOrder(ImmutableArray<CgroupSetting> settings)
    {
        CgroupSetting? Find(string file) => settings.FirstOrDefault(s => s.File == file);
        // Memory and swap together may never be below memory alone: raised first, lowered last.
        if (Find(CgroupSetting.MemoryAndSwap) is { } both && Find("memory.limit_in_bytes") is { } memory
            && IsAbove(memory.Value, Directory("memory").Read(both.File).Trim()))
            settings = [both, .. settings.Remove(both)];
        return CgroupSetting.BurstInOrder(settings, "cpu.cfs_burst_us", Read);
    }

    private ByteSize ReadBytes(string file)
    {
        string? text = Directory("memory").TryRead(file)?.Trim();
        bool isLimit = long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long bytes)
            && bytes < long.MaxValue / 4096 * 4096;
        return isLimit ? new ByteSize(bytes) : ByteSize.Max;
    }

    private ByteSize ReadSwapMax()
    {
        (ByteSize both, ByteSize memory) = (ReadBytes(CgroupSetting.MemoryAndSwap), ReadBytes("memory.limit_in_bytes"));
        return both.IsMax || memory.IsMax ? ByteSize.Max : new ByteSize(Math.Max(0, both.Bytes - memory.Bytes));
    }

    private static bool IsAbove(string limit, string current) => limit == "-1" || long.Parse(limit,
        CultureInfo.InvariantCulture) > long.Parse(current, CultureInfo.InvariantCulture);

    /// <summary>Makes it in the hierarchy of a controller that it was made without, and moves its processes there.</summary>
    private bool TryJoin(string controller)
    {
        if (Main.IsRoot || !IsController(controller) || !CgroupHierarchies.Read().V1.TryGetValue(controller, out CgroupMount? mount))
            return false;
        string name = Main.Parts[^1];
        int[] members = [.. ReadProcesses(Main, recursive: true).Where(id => id != 0)];
        string[] above = CgroupPath.Parts(members.Select(id => mount.PathOf(id, controller)).FirstOrDefault(p =>
            p is not null) ?? mount.Self, "/");
        // Somebody else may have had it join already.
        int at = Array.IndexOf(above, name);
        CgroupDirectory directory = CgroupDirectory.Create(mount.MountPoint, [.. at < 0 ? above : above[..at], name]);
        try
        {
            if (controller == "cpuset")
                InheritCpuset(directory);
            MoveTo(directory);
        }
        catch
        {
            directory.TryDelete(recursive: false);
            directory.Dispose();
            throw;
        }

        _directories = _directories.Add(controller, directory);
        return true;
    }

    private void MoveTo(CgroupDirectory directory)
    {
        // A process may fork behind the reading of the list: its child is then in the next one.
        for (int round = 0; round < 100; round++)
        {
            var there = ReadProcesses(directory, recursive: true).ToHashSet();
            int[] missing = [.. ReadProcesses(Main, recursive: true).Where(id => id != 0 && !there.Contains(id))];
            if (missing.Length == 0)
                return;
            foreach (int id in missing)
            {
                var setting = new CgroupSetting("cgroup.procs", id.ToString(CultureInfo.InvariantCulture));
                SyscallResult moved = directory.TryWrite(setting.File, setting.Value, out string call);
                if (moved.Errno != Errno.ESRCH) // ended meanwhile
                    moved.ThrowIfError($"move process {setting.Value} to", directory.Name(""), call, CgroupHints.ForWrite(setting,
                        moved.Errno));
            }
        }
    }
}
