using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Isolation.Cgroups;
using Isolation.Containers;
using Isolation.Linux;

namespace Isolation.Launcher;

/// <summary>The commands about running containers, found by the names of their control groups:
/// <c>stats</c>, <c>top</c>, <c>update</c>, <c>pause</c>, <c>unpause</c>.</summary>
internal static class ContainerCommands
{
    private const CgroupStatKinds Shown = CgroupStatKinds.Basic | CgroupStatKinds.MemoryDetail;

    internal static readonly ImmutableArray<Flag> StatsFlags =
        [Flag<StatsOptions>.Switch("--no-stream", "show them once", (o, on) => o with { Once = on })];

    internal static Task<int> PauseAsync(CommandLine line)
    {
        using Cgroup cgroup = RunningContainers.Open(line.Operands[0]);
        cgroup.Freeze();
        return Task.FromResult(0);
    }

    internal static Task<int> UnpauseAsync(CommandLine line)
    {
        using Cgroup cgroup = RunningContainers.Open(line.Operands[0]);
        cgroup.Thaw();
        return Task.FromResult(0);
    }

    internal static Task<int> UpdateAsync(CommandLine line)
    {
        CgroupSettings settings = line.Apply(new ResourceOptions()).ToChanges();
        if (settings.Count == 0)
            throw new UsageException($"update {line.Command.Takes}.");
        foreach (string name in line.Operands)
        {
            using Cgroup cgroup = RunningContainers.Open(name);
            cgroup.Apply(settings);
        }

        return Task.FromResult(0);
    }

    internal static async Task<int> StatsAsync(CommandLine line)
    {
        bool once = line.Apply(new StatsOptions()).Once;
        string[] wanted = [.. line.Operands];
        var open = new SortedDictionary<string, (Cgroup Cgroup, CgroupStats Stats, TimeSpan Cpu, long Time)>(StringComparer.Ordinal);
        using var stop = new CancellationTokenSource();
        using PosixSignalRegistration interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, c =>
        {
            c.Cancel = true;
            stop.Cancel();
        });
        // A name that is asked for must be there at the beginning; the others come and go.
        foreach (string name in wanted)
            RunningContainers.Open(name).Dispose();
        for (int round = 0; !stop.IsCancellationRequested && (!once || round < 2); round++)
        {
            Follow(open, wanted);
            if (round > 0 || !once)
                await ShowAsync(open, clear: !once && TerminalMode.IsTerminal(1));
            foreach (string name in open.Keys.ToArray())
                open[name] = open[name] with { Cpu = open[name].Stats.Cpu?.Usage ?? default, Time = open[name].Stats.Timestamp };
            await Task.Delay(once ? 500 : 1000, stop.Token).ContinueWith(_ => { }, TaskScheduler.Default);
        }

        foreach (var (cgroup, stats, _, _) in open.Values)
        {
            stats.Dispose();
            cgroup.Dispose();
        }

        return 0;
    }

    /// <summary>Opens who has come, and reads everybody; who has gone is closed.</summary>
    private static void Follow(SortedDictionary<string, (Cgroup Cgroup, CgroupStats Stats, TimeSpan Cpu, long Time)> open, string[] wanted)
    {
        foreach ((string name, Cgroup cgroup) in RunningContainers.OpenAll(n => !open.ContainsKey(n)
            && (wanted.Length == 0 || wanted.Contains(n))))
        {
            try
            {
                CgroupStats stats = cgroup.OpenStats(Shown);
                open[name] = (cgroup, stats, stats.Cpu?.Usage ?? default, stats.Timestamp);
            }
            catch (LinuxException)
            {
                cgroup.Dispose(); // gone meanwhile
            }
        }

        foreach (string name in open.Keys.ToArray())
        {
            try
            {
                open[name].Stats.Refresh();
            }
            catch (LinuxException)
            {
                open[name].Stats.Dispose();
                open[name].Cgroup.Dispose();
                open.Remove(name);
            }
        }
    }

    private static async Task ShowAsync(SortedDictionary<string, (Cgroup Cgroup, CgroupStats Stats, TimeSpan Cpu, long Time)> open,
        bool clear)
    {
        var text = new System.Text.StringBuilder(clear ? "\x1b[H\x1b[2J" : "");
        text.Append(CultureInfo.InvariantCulture,
            $"{"NAME",-20} {"CPU %",7} {"MEM USAGE / LIMIT",23} {"MEM %",6} {"BLOCK I/O",21} {"NET I/O",21} {"PIDS",5}\n");
        foreach ((string name, (Cgroup cgroup, CgroupStats stats, TimeSpan cpu, long time)) in open)
        {
            double elapsed = Stopwatch.GetElapsedTime(time, stats.Timestamp).TotalSeconds;
            double share = elapsed > 0.01 ? 100 * ((stats.Cpu?.Usage ?? default) - cpu).TotalSeconds / elapsed : 0;
            ByteSize used = new(stats.Memory?.WorkingSet ?? 0), limit = stats.Memory is null or { Max: long.MaxValue }
                ? ByteSize.Max
                : new(stats.Memory.Max);
            string memory = $"{used.ToHumanString()} / {limit.ToHumanString()}";
            string io =
                $"{new ByteSize(stats.Io?.ReadBytes ?? 0).ToHumanString()} / {new ByteSize(stats.Io?.WriteBytes ?? 0).ToHumanString()}";
            using PidHandle? process = RunningContainers.OpenProcess(cgroup);
            ContainerTraffic? traffic = process is null ? null : ContainerTraffic.Read(process);
            string net = traffic is null
                ? "-"
                : $"{new ByteSize(traffic.ReceivedBytes).ToHumanString()} / {new ByteSize(traffic.SentBytes).ToHumanString()}";
            string percent = limit.IsMax
                ? "-"
                : (100.0 * used.Bytes / Math.Max(1, limit.Bytes)).ToString("F1", CultureInfo.InvariantCulture);
            text.Append(CultureInfo.InvariantCulture,
                $"{PrintableText.Of(name),-20} {share,7:F2} {memory,23} {percent,6} {io,21} {net,21} {stats.Pids?.Current,5}\n");
        }

        await StandardStreams.Output.WriteAsync(text.ToString());
    }

    internal static async Task<int> TopAsync(CommandLine line)
    {
        using Cgroup cgroup = RunningContainers.Open(line.Operands[0]);
        await StandardStreams.Output.WriteLineAsync($"{"PID",7} {"UID",7} {"S",1} {"TIME",9} COMMAND");
        foreach (int id in cgroup.ReadProcesses(recursive: true))
        {
            try
            {
                string stat = await File.ReadAllTextAsync($"/proc/{id}/stat");
                string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
                TimeSpan time = TimeSpan.FromSeconds(
                    (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)) / 100.0);
                string user = (await File.ReadAllLinesAsync($"/proc/{id}/status"))
                    .First(l => l.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[1];
                string command = (await File.ReadAllTextAsync($"/proc/{id}/cmdline")).TrimEnd('\0').Replace('\0', ' ');
                if (command.Length == 0)
                    command = stat[(stat.IndexOf('(') + 1)..stat.LastIndexOf(')')];
                await StandardStreams.Output.WriteLineAsync(string.Create(CultureInfo.InvariantCulture,
                    $"{id,7} {user,7} {fields[0],1} {time:h\\:mm\\:ss\\.ff} {PrintableText.Of(command)}"));
            }
            catch (IOException)
            {
                // ended meanwhile
            }
        }

        return 0;
    }

    private sealed record StatsOptions
    {
        internal bool Once { get; init; }
    }
}
