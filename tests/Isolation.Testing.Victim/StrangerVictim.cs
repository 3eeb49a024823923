using System.Diagnostics;
using Isolation.Cgroups;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Testing.Victim;

/// <summary>Starts containers that have no PID namespace of their own beside processes that are none
/// of theirs, and tells who lives.</summary>
/// <remarks>To be run in a PID namespace of its own: what it looks for is a runtime that kills everything that it can see.</remarks>
internal static class StrangerVictim
{
    internal static async Task<int> RunAsync(string mode, string[] arguments)
    {
        switch (mode)
        {
            case "--recycled-namespace":
                await RecycleAsync(Builder(arguments[0]), Enum.Parse<NamespaceKinds>(arguments[1]));
                return 0;
            case "--beside-strangers":
                await LoopAsync(arguments[0], int.Parse(arguments[1]), arguments[2..]);
                return 0;
            case "--recycled-process":
                RecycleProcess(arguments[0], arguments[1], arguments[2]);
                return 0;
            case "--named":
                await (await new ContainerBuilder(Rootfs.Host).WithCommand("/bin/true").WithName(arguments[0]).StartAsync()).WaitAsync();
                return 0;
            case "--register":
                // The reaper finds both when this process ends.
                CgroupReaper.Register(arguments[2..], isV2: false).Write(arguments[0]);
                CgroupReaper.Register(arguments[2..], isV2: false).WriteName(arguments[1]);
                return 0;
            case "--two-containers":
                await StartTwoAsync(arguments[0]);
                return 0;
            case "--kill-group":
                using (Cgroup group = Cgroup.Open(arguments[0]))
                    group.KillOneByOne();
                return 0;
            default:
                return 2;
        }
    }

    private static ContainerBuilder Builder(string kind)
    {
        ContainerBuilder builder = new ContainerBuilder(Rootfs.Host).WithNamespacesSharedWithHost(NamespaceKinds.Pid)
            .WithStandardOutput(Stdio.Null).WithStandardError(Stdio.Null);
        return kind switch
        {
            "cgroup" => builder.WithPidsMax(60),
            "privileged" => builder.WithPrivileged(),
            // Root's ids would be exempt from the limit of processes.
            "user namespace" when Environment.UserName == "root" => builder.WithCgroup(CgroupUse.SharedWithParent)
                .WithUserNamespace(IdMap.Parse("0:300000:65536"), IdMap.Parse("0:300000:65536")).WithUser(1000, 1000),
            "user namespace" => builder.WithCgroup(CgroupUse.SharedWithParent),
            "mount namespace" => builder.WithCgroup(CgroupUse.SharedWithParent),
            _ => throw new ArgumentException(kind),
        };
    }

    /// <summary>Its first process has ended and is not reaped; until the library looks for those left, others get namespaces,
    /// and with them the number that its own had.</summary>
    private static async Task RecycleAsync(ContainerBuilder builder, NamespaceKinds kind)
    {
        Container container = await builder.WithCommand("/bin/cat").WithStandardInput(Stdio.Pipe).StartAsync();
        ulong number = NumberOf(kind, container.ProcessId);
        container.StandardInput!.Dispose();
        while (!container.Process.HasExited)
            Thread.Sleep(1);
        var strangers = new List<Process>();
        bool recurred = false;
        for (int i = 0; i < 150 && !recurred; i++)
        {
            Process stranger = Process.Start(new ProcessStartInfo("unshare",
                kind == NamespaceKinds.User ? ["-U", "sleep", "1000"] : ["-m", "sleep", "1000"]))!;
            strangers.Add(stranger);
            while (File.ReadAllText($"/proc/{stranger.Id}/comm") != "sleep\n")
                Thread.Sleep(1);
            recurred = NumberOf(kind, stranger.Id) == number;
        }

        await container.WaitAsync();
        Thread.Sleep(50);
        Console.WriteLine($"the number {(recurred ? "recurred" : "did not recur")}; killed: {strangers.Count(s => s.HasExited)}");
        foreach (Process stranger in strangers)
            stranger.Kill();
    }

    // What the attack's processes call themselves: at most 15 characters.
    private static readonly string s_attack = $"surv{Environment.ProcessId}";

    /// <summary>Whether a process is one of the attack's that still runs: proc_pid_stat(5).</summary>
    private static bool IsSurvivor(string directory)
    {
        if (!int.TryParse(Path.GetFileName(directory), out _))
            return false;
        try
        {
            string stat = File.ReadAllText(directory + "/stat");
            return stat.Contains($"({s_attack})", StringComparison.Ordinal) && stat[stat.LastIndexOf(')') + 2] is not ('Z' or 'X');
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>A member's number is read, the member ends, a stranger gets the number:
    /// held up between the two by strace at pidfd_open(2).</summary>
    private static void RecycleProcess(string name, string group, string attack)
    {
        using Process member = Process.Start("sleep", "1000");
        File.WriteAllText(group + "/cgroup.procs", member.Id.ToString());
        string[] kill = ["dotnet", Environment.GetCommandLineArgs()[0], "--kill-group", name];
        using Process killer = Process.Start("strace",
            ["-f", "-o", "/dev/null", "-e", "trace=pidfd_open", "-e", "inject=pidfd_open:delay_enter=6000000:when=1", .. kill]);
        while (!IsOpening(member.Id))
            Thread.Sleep(5);
        member.Kill();
        member.WaitForExit();
        using Process recycler = Process.Start(new ProcessStartInfo(attack, ["get", member.Id.ToString()])
        {
            RedirectStandardOutput = true
        })!;
        bool recurred = recycler.StandardOutput.ReadLine() == "got";
        killer.WaitForExit();
        Thread.Sleep(50);
        bool lives = File.Exists($"/proc/{member.Id}/stat") && !File.ReadAllText($"/proc/{member.Id}/stat").Contains(") Z");
        Console.WriteLine($"the number {(recurred ? "recurred" : "did not recur")}; the stranger {(lives ? "lives" : "was killed")}");
        recycler.Kill();
    }

    /// <summary>Whether some thread is at the call that opens a certain process:
    /// its number and arguments are in proc_pid_syscall(5).</summary>
    private static bool IsOpening(int process)
    {
        foreach (string file in Directory.GetDirectories("/proc").Where(d => int.TryParse(Path.GetFileName(d), out _)).SelectMany(TasksOf))
        {
            try
            {
                if (File.ReadAllText(file + "/syscall").StartsWith($"434 0x{process:x} ", StringComparison.Ordinal))
                    return true;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // it has ended
            }
        }

        return false;
    }

    private static string[] TasksOf(string process)
    {
        try
        {
            return Directory.GetDirectories(process + "/task");
        }
        catch (IOException)
        {
            return [];
        }
    }

    /// <summary>One that has made control groups in its own, and one whose processes only their control group holds
    /// together. Lives until it is killed.</summary>
    private static async Task StartTwoAsync(string marker)
    {
        ContainerBuilder builder = new ContainerBuilder(Rootfs.Host).WithStandardOutput(Stdio.Null);
        Container delegated = await builder.WithCommand("/bin/sh", "-c", "mkdir -p /sys/fs/cgroup/sub/below /sys/fs/cgroup/other "
            + $"&& echo $$ > /sys/fs/cgroup/sub/below/cgroup.procs; sleep {marker} & sleep {marker}")
            .WithDelegatedCgroup().AddMount(new Cgroup2Mount("/sys/fs/cgroup", MountFlags.NoSuid)).StartAsync();
        Container plain = await builder.WithCommand("/bin/sh", "-c", $"sleep {marker} & setsid sleep {marker} & wait")
            .WithNamespacesSharedWithHost(NamespaceKinds.Pid).StartAsync();
        while (delegated.Cgroup!.ReadProcesses(recursive: true).Length < 3 || delegated.Cgroup.ReadChildNames().Length < 2
            || plain.Cgroup!.ReadProcesses().Length < 3)
            await Task.Delay(5);
        Console.WriteLine($"{Path.GetFileName(delegated.Cgroup.Path)} {Path.GetFileName(plain.Cgroup!.Path)}");
        await Task.Delay(Timeout.Infinite);
    }

    private static ulong NumberOf(NamespaceKinds kind, int process)
    {
        using Namespace of = Namespace.Open(kind, process);
        return of.Id;
    }

    private static async Task LoopAsync(string kind, int count, string[] command)
    {
        // An ordinary user has mount namespaces of its own below a user namespace only.
        string[] apartBy = Environment.UserName == "root" ? ["-m", "sleep", "1000"] : ["-U", "-m", "sleep", "1000"];
        using Process witness = Process.Start("sleep", "1000"), apart = Process.Start("unshare", apartBy);
        Container? host = null;
        ContainerBuilder builder;
        if (kind == "joined")
        {
            host = await new ContainerBuilder(Rootfs.Host).WithCommand("/bin/sleep", "1000").StartAsync();
            builder = new ContainerBuilder(Rootfs.Host).AddJoinedNamespaces(NamespaceKinds.Pid, host);
        }
        else
        {
            builder = Builder(kind);
        }

        if (command[0].EndsWith("/attack", StringComparison.Ordinal))
        {
            builder = builder.AddMount(new BindMount(Path.GetDirectoryName(command[0])!, "/mnt"));
            command = ["/mnt/attack", .. command[1..], s_attack];
        }

        LaunchPlan plan = builder.WithCommand(command[0], command[1..]).AddRlimit(new Rlimit(RlimitResource.Nproc, 60, 60))
            .WithTimeout(TimeSpan.FromSeconds(1)).Plan();
        int ended = 0, timedOut = 0, failed = 0;
        for (int i = 0; i < count; i++)
        {
            await using Container container = await plan.StartAsync();
            ContainerResult result = await container.WaitAsync();
            ended++;
            timedOut += result.TimedOut ? 1 : 0;
            failed += result.Status.Code == 0 ? 0 : 1;
        }

        string living = host is null ? "" : host.Process.HasExited ? " the joined one was killed" : " the joined one lives";
        Thread.Sleep(300);
        int survivors = Directory.GetDirectories("/proc").Count(IsSurvivor);
        Console.WriteLine($"survivors {survivors}, containers {ended}, failed {failed}, timed out {timedOut}, witnesses "
            + $"killed {(witness.HasExited ? 1 : 0) + (apart.HasExited ? 1 : 0)}{living}");
        witness.Kill();
        apart.Kill();
        if (host is not null)
            await host.DisposeAsync();
    }
}
