using System.Diagnostics;
using System.Globalization;
using Isolation.Cgroups;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;
using Isolation.Net.Routing;

namespace Isolation.Testing.Victim;

/// <summary>Starts, awaits and disposes a container over and over, while its tracer makes one of this process's system calls fail each
/// time, or kills it there. Tells what came of it.</summary>
/// <remarks>What is asked of the tracer is said by a system call that no kernel has; see FaultTracer.</remarks>
internal static class FaultVictim
{
    private const nint Request = 0x15_0000;
    private const int Arm = 1, Disarm = 2, Count = 3, Counted = 4, HighestCall = 480, Patience = 20_000, NoCall = -2;

    private static string s_mode = "";
    private static string? s_plan;
    private static bool s_isRoot;

    // getuid(2), getpid(2), gettid(2): "always successful".
    private static readonly Syscall[] s_infallible = [Syscall.getuid, Syscall.geteuid, Syscall.getgid, Syscall.getegid, Syscall.getpid,
        Syscall.getppid, Syscall.gettid];

    // Others make control groups too.
    private static readonly string s_name = string.Create(CultureInfo.InvariantCulture, $"faults-{Environment.ProcessId}");

    private static readonly Errno[] s_errnos = [Errno.EMFILE, Errno.ENOMEM, Errno.EAGAIN, Errno.EINTR];

    /// <summary>--faults MODE SAMPLE SEED FROM: all cases, or about SAMPLE of them, from the FROM-th.</summary>
    internal static async Task<int> RunAsync(string[] args)
    {
        Console.ReadLine(); // until it is traced
        await Task.Delay(1); // the runtime's thread for timers, which the patience below needs, is there from now on
        string mode = args[1];
        Func<Task<string>> one = await MakeAsync(mode);
        if (args[0] == "--fault-after")
            return await TellWhatIsThereAsync(one);
        if (args[0] == "--fault-kill")
        {
            await one(); // what is started once is there
            Ask(Arm, -1, long.Parse(args[2], CultureInfo.InvariantCulture), -1);
            await one();
            Console.WriteLine($"calls {Ask(Disarm)}");
            return 0;
        }

        // The threads that stay, each with a few descriptors of its own, are there before anything is counted.
        await Task.WhenAll(Enumerable.Range(0, mode is "limits" or "network" ? 1 : 6).Select(_ => one()));
        for (int i = 0; i < 4; i++)
            await one();
        int sample = int.Parse(args[2], CultureInfo.InvariantCulture), from = int.Parse(args[4], CultureInfo.InvariantCulture);
        Ask(Count);
        await one();
        Ask(Disarm);
        (int Call, int Times)[] calls =
            [.. Enumerable.Range(0, HighestCall).Select(c => (c, (int)Ask(Counted, c)))
                .Where(c => c.Item2 > 0 && !s_infallible.Any(i => SyscallNumber.Native(i) == c.Item1))];
        var cases = calls.SelectMany(c => Enumerable.Range(1, c.Times).SelectMany(n => s_errnos.Select(e => (c.Call, Nth: n, Errno: e))))
            .ToList();
        if (sample > 0)
        {
            var random = new Random(int.Parse(args[3], CultureInfo.InvariantCulture));
            cases = [.. cases.OrderBy(_ => random.Next()).Take(sample)];
        }

        Console.WriteLine($"cases {cases.Count} of {calls.Length} calls, {calls.Sum(c => c.Times)} times");
        var outcomes = new SortedDictionary<string, int>(StringComparer.Ordinal);
        Traces before = await Traces.SettledAsync(null);
        for (int i = from; i < cases.Count; i++)
        {
            var (call, nth, errno) = cases[i];
            string name = $"{mode} {NameOf(call)} {nth} {errno}";
            Console.WriteLine($"at {i} {name}");
            string outcome = await TryAsync(one, call, nth, errno);
            // Then all is as before: nothing waits for ever, no name is taken.
            if (!outcome.StartsWith('!') && await TryAsync(one, NoCall, 0, 0) is not "ran (not reached)" and var next)
                Console.WriteLine($"BAD {name}: {outcome}, and the next start: {next}");
            Traces after = await Traces.SettledAsync(before);
            if (!after.IsNoMoreThan(before))
                Console.WriteLine($"BAD {name}: {outcome}, left: {after.Beyond(before)}");
            else if (outcome.StartsWith('!'))
                Console.WriteLine($"BAD {name}: {outcome}");
            if (outcome == "!hang")
                return 3;
            before = after;
            outcomes[outcome] = outcomes.GetValueOrDefault(outcome) + 1;
        }

        foreach ((string outcome, int times) in outcomes)
            Console.WriteLine($"outcome {times} {outcome}");
        Console.WriteLine("done");
        return 0;
    }

    private static async Task<string> TryAsync(Func<Task<string>> one, int call, int nth, Errno errno)
    {
        Ask(Arm, call, nth, (long)errno);
        try
        {
            Task<string> attempt = Task.Run(one);
            if (await Task.WhenAny(attempt, Task.Delay(Patience)) != attempt)
                return "!hang";
            string outcome = await attempt;
            return Ask(Disarm) > nth - 1 && nth > 0 ? outcome : outcome + " (not reached)";
        }
        catch (Exception e) when (e is LinuxException or KernelFeatureException)
        {
            return call == NoCall ? $"{e.GetType().Name}: {e.Message}" : e.GetType().Name;
        }
        catch (Exception e)
        {
            return $"!{e.GetType().Name}: {e.ToString().ReplaceLineEndings(" ")}";
        }
        finally
        {
            Ask(Disarm);
        }
    }

    private static async Task<Func<Task<string>>> MakeAsync(string mode)
    {
        s_mode = mode;
        bool root = s_isRoot = Environment.UserName == "root";
        if (mode == "plan")
            return () => Task.FromResult(Plan());
        ContainerBuilder builder = new ContainerBuilder(Rootfs.Host)
            .WithCommand("/bin/sh", "-c", "cat; exit 7", $"faulty-{Environment.ProcessId}").WithTimeout(TimeSpan.FromSeconds(60))
            .WithStandardInput(Stdio.Pipe).WithStandardOutput(Stdio.Pipe).WithStandardError(Stdio.Null)
                .WithCgroup(CgroupUse.SharedWithParent);
        Container? other = mode == "joined" ? await new ContainerBuilder(Rootfs.Host).WithCommand("/bin/sleep", "1000")
            .WithCgroup(CgroupUse.SharedWithParent).StartAsync() : null;
        LaunchPlan plan = mode switch
        {
            "memory" => builder.WithLaunchForm(LaunchForm.InMemory).Plan(),
            "sealed" => builder.WithLaunchForm(LaunchForm.Sealed).Plan(),
            "init" => builder.WithInit().Plan(),
            "users" => (root ? builder.WithUserNamespace(new IdMap(new IdMapRange(0, 500_000, 65_536)),
                new IdMap(new IdMapRange(0, 500_000, 65_536)))
                : builder.WithUserNamespace(SubIdFile.ToMap(HostFacts.Current.UserId, HostFacts.Current.SubUserIds)!,
                    SubIdFile.ToMap(HostFacts.Current.GroupId, HostFacts.Current.SubGroupIds)!)).Plan(),
            "limits" => builder.WithCgroup(CgroupUse.Own).WithName(s_name).WithMemoryMax(ByteSize.FromMebibytes(100)).WithPidsMax(50)
                .WithDenialReport().Plan(),
            "network" => builder.WithNetwork(new BridgeNetwork("faults")).Plan(),
            "joined" => builder.AddJoinedNamespaces(NamespaceKinds.Net | NamespaceKinds.Ipc | NamespaceKinds.Pid, other!).Plan(),
            "terminal" => new ContainerBuilder(Rootfs.Host)
                .WithCommand("/bin/sh", "-c", "echo hi; exit 7", $"faulty-{Environment.ProcessId}").WithTimeout(TimeSpan.FromSeconds(60))
                .WithCgroup(CgroupUse.SharedWithParent).WithTerminal().Plan(),
            _ => throw new ArgumentException(mode),
        };
        return async () =>
        {
            await using Container process = await plan.StartAsync();
            try
            {
                if (process.Terminal is null)
                {
                    await process.StandardInput!.WriteAsync(new byte[100]);
                    await process.StandardInput.DisposeAsync();
                    int length = 0, read;
                    while ((read = await process.StandardOutput!.ReadAsync(new byte[1000])) > 0)
                        length += read;
                    if (length != 100)
                        return $"!{length} bytes came back";
                }
            }
            catch (IOException)
            {
                return "IOException of a stream";
            }

            ContainerResult result = await process.WaitAsync();
            return result.Status.Code == 7 ? "ran" : $"!{result}";
        };
    }

    /// <summary>What a plan asks of the host. An answer that differs for want of descriptors or memory is worse than a refusal.</summary>
    private static string Plan()
    {
        bool root = s_isRoot;
        ContainerBuilder builder = new ContainerBuilder(Rootfs.Host).WithCommand("/bin/true").WithCgroup(CgroupUse.SharedWithParent);
        LaunchPlan[] plans =
        [
            builder.Plan(),
            builder.WithUser("daemon").WithNetwork(root ? ContainerNetwork.Bridge : null).Plan(),
            .. root ? [builder.WithCgroup(CgroupUse.Own).WithMemoryMax(ByteSize.FromMebibytes(100)).WithPrivileged().Plan()]
                : Array.Empty<LaunchPlan>(),
        ];
        string plan = string.Join('\n', plans.Select(p => p.ToString()).Concat(HostFacts.Current.Checks().Select(c => c.ToString())));
        s_plan ??= plan;
        return plan == s_plan ? "ran" : $"!another plan: {string.Join(" | ", plan.Split('\n').Except(s_plan.Split('\n')))}";
    }

    /// <summary>Where another process was killed: a start, and what is there after its end.</summary>
    private static async Task<int> TellWhatIsThereAsync(Func<Task<string>> one)
    {
        Console.WriteLine($"after {await one()}");
        foreach (string trace in Traces.ReadLeases().Concat(Traces.ReadLinks()))
            Console.WriteLine($"there {trace}");
        using Process nft = Process.Start(new ProcessStartInfo("nft", ["list", "ruleset"]) { RedirectStandardOutput = true })!;
        Console.WriteLine($"there {(await nft.StandardOutput.ReadToEndAsync()).ReplaceLineEndings(" ")}");
        return 0;
    }

    private static string NameOf(int call) => Enum.GetValues<Syscall>().First(c =>
    {
        try
        {
            return SyscallNumber.Native(c) == call;
        }
        catch (PlatformNotSupportedException)
        {
            return false;
        }
    }).ToString();

    private static long Ask(int request, long call = 0, long nth = 0, long errno = 0) =>
        RawSyscall.InvokeNumber(Request, (nuint)request, (nuint)call, (nuint)nth, (nuint)errno, 0, 0).Value;

    /// <summary>What a start could leave.</summary>
    private sealed record Traces(Dictionary<int, string> Descriptors, string[] Threads, int Mounts, string[] Cgroups,
        string[] Children, string[] Links, string[] Leases)
    {
        // Threads that come when they are needed, and stay or go by themselves. A launcher's, and a handshake's once it has started a
        // companion, keeps a pidfd of itself and the last sealed image that it has made.
        private static readonly string[] s_staying = ["isolation launc", "isolation hands", "isolation clean", "isolation event"];

        /// <summary>What is there now; waits a moment for what is about to go.</summary>
        internal static async Task<Traces> SettledAsync(Traces? before)
        {
            Traces now = Read();
            // A read is hundreds of calls, and a traced call takes long.
            for (long start = Environment.TickCount64; before is not null && !now.IsNoMoreThan(before)
                && Environment.TickCount64 - start < 8000; now = Read())
            {
                await Task.Delay(50);
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }

            return now;
        }

        internal bool IsNoMoreThan(Traces before) => Beyond(before).Length == 0;

        internal string Beyond(Traces before) => string.Join("; ", new[]
        {
            Descriptors.Count > before.Descriptors.Count
                ? $"{Descriptors.Count - before.Descriptors.Count} descriptors, among them "
                    + string.Join(' ', Descriptors.Except(before.Descriptors))
                : "",
            Mounts > before.Mounts ? "mounts" : "",
            string.Join(' ', Threads.Except(before.Threads)),
            string.Join(' ', Cgroups.Except(before.Cgroups)),
            string.Join(' ', Children.Except(before.Children)),
            string.Join(' ', Links.Except(before.Links)),
            string.Join(' ', Leases.Except(before.Leases)),
        }.Where(t => t.Length > 0));

        // In the host's network namespace others make links too.
        internal static string[] ReadLinks()
        {
            if (s_mode != "network")
                return [];
            using RouteSocket route = RouteSocket.Open();
            return [.. route.ReadLinks().Select(l => l.Name!).Where(n => n.StartsWith("ve", StringComparison.Ordinal))];
        }

        /// <summary>The files of networks in use, whose directory has the number of the network namespace.</summary>
        internal static string[] ReadLeases() =>
            Environment.GetEnvironmentVariable("ISOLATION_NETWORKS") is { Length: > 0 } state && Directory.Exists(state + "/run")
                ? [.. Directory.EnumerateFiles(state + "/run", "*", SearchOption.AllDirectories)
                    .Select(f => Path.GetRelativePath(state + "/run", f)).Select(f => f[f.IndexOf('/')..]).Order(StringComparer.Ordinal)]
                : [];

        private static Traces Read()
        {
            (int, string Name)[] threads = [.. Directory.EnumerateDirectories("/proc/self/task").Select(ReadThread)];
            return new(
                ReadDescriptors(threads.Count(t => t.Name == s_staying[0] || t.Name == s_staying[1])),
                [.. threads.Where(t => (t.Name.StartsWith("isolation", StringComparison.Ordinal) && !s_staying.Contains(t.Name))
                        || t.Name.StartsWith("seccomp", StringComparison.Ordinal))
                    .Select(t => t.ToString())],
                File.ReadLines("/proc/self/mountinfo").Count(),
                [.. Directory.EnumerateDirectories("/sys/fs/cgroup", "isolation-" + s_name,
                    new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 6, IgnoreInaccessible = true })],
                [.. Directory.EnumerateDirectories("/proc/self/task").SelectMany(ReadChildren)],
                ReadLinks(),
                ReadLeases());
        }

        private static Dictionary<int, string> ReadDescriptors(int launchers)
        {
            const string Image = "/memfd:isolation (deleted)";
            (int images, int selves) = (launchers, launchers);
            var found = new Dictionary<int, string>();
            foreach (FileSystemInfo entry in new DirectoryInfo("/proc/self/fd").EnumerateFileSystemInfos())
            {
                try
                {
                    bool kept = entry.LinkTarget switch
                    {
                        null => true, // closed meanwhile
                        var file when file.EndsWith(".dll", StringComparison.Ordinal) => true, // loaded when it is first used
                        Image => images-- > 0,
                        var file when file.Contains("pidfd", StringComparison.Ordinal) && IsThread(entry.Name) => selves-- > 0,
                        _ => false,
                    };
                    if (!kept && entry.LinkTarget is { } target)
                        found.Add(int.Parse(entry.Name, CultureInfo.InvariantCulture), target);
                }
                catch (IOException)
                {
                    // closed meanwhile
                }
            }

            return found;
        }

        /// <summary>Whether a pidfd is that of a thread of this process.</summary>
        private static bool IsThread(string descriptor)
        {
            string? line = File.ReadLines($"/proc/self/fdinfo/{descriptor}")
                .FirstOrDefault(l => l.StartsWith("Pid:", StringComparison.Ordinal));
            return line is not null && Directory.Exists($"/proc/self/task/{line[4..].Trim()}");
        }

        private static (int Id, string Name) ReadThread(string task)
        {
            try
            {
                return (int.Parse(Path.GetFileName(task), CultureInfo.InvariantCulture), File.ReadAllText(task + "/comm").TrimEnd());
            }
            catch (IOException)
            {
                return (0, "");
            }
        }

        private static string[] ReadChildren(string task)
        {
            try
            {
                return [.. File.ReadAllText(task + "/children").Split(' ', StringSplitOptions.RemoveEmptyEntries)
                    .Where(c => !File.ReadAllText($"/proc/{c}/comm").StartsWith("isolation-reap", StringComparison.Ordinal))];
            }
            catch (IOException)
            {
                return [];
            }
        }
    }
}
