using System.Diagnostics;
using System.Globalization;
using Isolation.Cgroups;
using Isolation.Containers;
using Isolation.Linux;

namespace Isolation.Launcher;

/// <summary>The commands about running containers, found by the names of their control groups: <c>stats</c>, <c>top</c>, <c>update</c>, <c>pause</c>, <c>unpause</c>.</summary>
internal static class ContainerCommands
{
    private const CgroupStatKinds Shown = CgroupStatKinds.Basic | CgroupStatKinds.MemoryDetail;

    /// <summary>Runs a command; what the kernel refuses is one line and docker's code for the tool's own errors.</summary>
    internal static async Task<int> RunAsync(string command, string[] arguments)
    {
        try
        {
            switch (command)
            {
                case "stats":
                    return await StatsAsync(arguments);
                case "top":
                    return await TopAsync(OneName(command, arguments));
                case "update":
                    return Update(arguments);
                default:
                    using (Cgroup cgroup = RunningContainers.Open(OneName(command, arguments)))
                    {
                        if (command == "pause")
                            cgroup.Freeze();
                        else
                            cgroup.Thaw();
                    }

                    return 0;
            }
        }
        catch (Exception e) when (e is LinuxException or KernelFeatureException or TimeoutException or ArgumentException or FormatException)
        {
            await Console.Error.WriteLineAsync("isolation: " + RunFlags.Reason(e));
            return Program.Failed;
        }
    }

    private static int Update(string[] arguments)
    {
        ResourceOptions options = new();
        var names = new List<string>();
        for (int i = 0; i < arguments.Length; i++)
        {
            if (!arguments[i].StartsWith('-'))
            {
                names.Add(arguments[i]);
                continue;
            }

            (string name, string? inline) = RunFlags.SplitFlag(arguments[i]);
            var flag = ResourceOptions.Flags.FirstOrDefault(f => f.Names.Split(' ').Contains(name));
            if (flag.Apply is null)
                throw new UsageException($"update has no flag {name}.");
            options = flag.Apply(options, inline ?? (++i < arguments.Length ? arguments[i] : throw new UsageException($"The flag {name} needs a value: {flag.Value}.")));
        }

        CgroupSettings settings = options.ToSettings();
        if (names.Count == 0 || settings.Count == 0)
            throw new UsageException("update needs a limit and the name of a container.");
        foreach (string name in names)
        {
            using Cgroup cgroup = RunningContainers.Open(name);
            cgroup.Apply(settings);
        }

        return 0;
    }

    private static async Task<int> StatsAsync(string[] arguments)
    {
        bool once = arguments.Contains("--no-stream");
        string[] wanted = [.. arguments.Where(a => a != "--no-stream")];
        if (wanted.FirstOrDefault(a => a.StartsWith('-')) is { } unknown)
            throw new UsageException($"stats has no flag {unknown}; there is --no-stream.");
        var open = new SortedDictionary<string, (Cgroup Cgroup, CgroupStats Stats, TimeSpan Cpu, long Time)>(StringComparer.Ordinal);
        using var stop = new CancellationTokenSource();
        Console.CancelKeyPress += (_, e) => { e.Cancel = true; stop.Cancel(); };
        // A name that is asked for must be there at the beginning; the others come and go.
        foreach (string name in wanted)
            RunningContainers.Open(name).Dispose();
        for (int round = 0; !stop.IsCancellationRequested && (!once || round < 2); round++)
        {
            Follow(open, wanted);
            if (round > 0 || !once)
                await ShowAsync(open, clear: !once && !Console.IsOutputRedirected);
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
        foreach (string name in RunningContainers.ReadNames().Where(n => !open.ContainsKey(n) && (wanted.Length == 0 || wanted.Contains(n))))
        {
            try
            {
                Cgroup cgroup = RunningContainers.Open(name);
                CgroupStats stats = cgroup.OpenStats(Shown);
                open[name] = (cgroup, stats, stats.Cpu?.Usage ?? default, stats.Timestamp);
            }
            catch (LinuxException)
            {
                // gone meanwhile
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

    private static async Task ShowAsync(SortedDictionary<string, (Cgroup Cgroup, CgroupStats Stats, TimeSpan Cpu, long Time)> open, bool clear)
    {
        var text = new System.Text.StringBuilder(clear ? "\x1b[H\x1b[2J" : "");
        text.Append(CultureInfo.InvariantCulture, $"{"NAME",-20} {"CPU %",7} {"MEM USAGE / LIMIT",23} {"MEM %",6} {"BLOCK I/O",21} {"NET I/O",21} {"PIDS",5}\n");
        foreach ((string name, (Cgroup cgroup, CgroupStats stats, TimeSpan cpu, long time)) in open)
        {
            double elapsed = Stopwatch.GetElapsedTime(time, stats.Timestamp).TotalSeconds;
            double share = elapsed > 0.01 ? 100 * ((stats.Cpu?.Usage ?? default) - cpu).TotalSeconds / elapsed : 0;
            ByteSize used = stats.Memory?.WorkingSet ?? 0, limit = stats.Memory is null or { Max: long.MaxValue } ? ByteSize.Max : stats.Memory.Max;
            string memory = $"{used.ToHumanString()} / {limit.ToHumanString()}";
            string io = $"{new ByteSize(stats.Io?.ReadBytes ?? 0).ToHumanString()} / {new ByteSize(stats.Io?.WriteBytes ?? 0).ToHumanString()}";
            ContainerTraffic? traffic = cgroup.ReadProcesses(recursive: true) is [var process, ..] ? ContainerTraffic.Read(process) : null;
            string net = traffic is null ? "-" : $"{new ByteSize(traffic.ReceivedBytes).ToHumanString()} / {new ByteSize(traffic.SentBytes).ToHumanString()}";
            string percent = limit.IsMax ? "-" : (100.0 * used.Bytes / Math.Max(1, limit.Bytes)).ToString("F1", CultureInfo.InvariantCulture);
            text.Append(CultureInfo.InvariantCulture, $"{name,-20} {share,7:F2} {memory,23} {percent,6} {io,21} {net,21} {stats.Pids?.Current,5}\n");
        }

        await Console.Out.WriteAsync(text.ToString());
        await Console.Out.FlushAsync();
    }

    private static async Task<int> TopAsync(string name)
    {
        using Cgroup cgroup = RunningContainers.Open(name);
        await Console.Out.WriteLineAsync($"{"PID",7} {"UID",7} {"S",1} {"TIME",9} COMMAND");
        foreach (int id in cgroup.ReadProcesses(recursive: true))
        {
            try
            {
                string stat = await File.ReadAllTextAsync($"/proc/{id}/stat");
                string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
                TimeSpan time = TimeSpan.FromSeconds((long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)) / 100.0);
                string user = (await File.ReadAllLinesAsync($"/proc/{id}/status")).First(l => l.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[1];
                string command = (await File.ReadAllTextAsync($"/proc/{id}/cmdline")).TrimEnd('\0').Replace('\0', ' ');
                if (command.Length == 0)
                    command = stat[(stat.IndexOf('(') + 1)..stat.LastIndexOf(')')];
                await Console.Out.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{id,7} {user,7} {fields[0],1} {time:h\\:mm\\:ss\\.ff} {command}"));
            }
            catch (IOException)
            {
                // ended meanwhile
            }
        }

        return 0;
    }

    private static string OneName(string command, string[] arguments) => arguments is [{ } name] && !name.StartsWith('-')
        ? name
        : throw new UsageException($"{command} takes the name of one container.");
}
