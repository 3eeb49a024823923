using System.Diagnostics;
using Isolation.Containers;
using Isolation.Linux;

namespace Isolation.Kernel.Tests;

/// <summary>Nothing survives its parent, and nothing leaks under load.</summary>
public class SurvivalTests
{
    [Fact]
    public async Task Nothing_survives_a_parent_that_is_killed_at_random_moments_of_its_launches()
    {
        int launches = 0, enough = Host.IsLong ? 500 : 150;
        HashSet<string> cgroups = [.. Leaks.Cgroups()];
        for (int round = 0; round < 20 || (launches < enough && round < 1000); round++)
        {
            string marker = $"97{Random.Shared.Next(10_000_000)}";
            launches += await KillVictimAsync(marker, TimeSpan.FromMilliseconds(Random.Shared.Next(0, 150)));
            await ContainerTests.WaitFor(() => Survivors(marker).Count == 0);
        }

        Assert.InRange(launches, enough, int.MaxValue);
        await ContainerTests.WaitFor(() => Leaks.Cgroups().All(cgroups.Contains));
    }

    [Theory]
    [InlineData("init")]
    [InlineData("plain")]
    public async Task A_container_lives_on_without_its_parent_only_where_that_was_asked_for(string kind)
    {
        string marker = $"96{Random.Shared.Next(10_000_000)}";
        HashSet<string> cgroups = [.. Leaks.Cgroups()];
        using Process parent = Process.Start(new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory,
            "Isolation.Testing.Victim.dll"), "--orphan", marker, kind])
        { RedirectStandardOutput = true })!;
        using PidHandle orphan = PidHandle.Open(int.Parse((await parent.StandardOutput.ReadLineAsync())!));
        parent.Kill();
        await parent.WaitForExitAsync();
        await Task.Delay(300);
        Assert.False(orphan.HasExited);
        Assert.Equal(1, Survivors(marker).Count(s => s.Contains("sleep " + marker)));
        orphan.SendSignal(Signal.SIGKILL);
        await ContainerTests.WaitFor(() => orphan.HasExited && Survivors(marker).Count == 0);
        // Who lives on has nobody who would remove its control group.
        await ContainerTests.WaitFor(() => Leaks.RemoveCgroups(cgroups));
    }

    [Theory]
    [InlineData("memory", "sleep")]
    [InlineData("sealed", "init sleep")]
    [InlineData("init", "init sleep")]
    [InlineData("reaper", "isolation-reap sleep")]
    [InlineData("companion", "isolation-comp")] // the program is its child
    public void Whoever_reads_a_pipe_that_its_parent_has_inherited_does_not_wait_for_what_that_has_started(string kind, string children)
    {
        // pipe(7): a read returns 0 once all descriptors of the write end are closed.
        if (kind == "reaper")
            Assert.SkipUnless(HostFacts.Current.Cgroups.Obstacle is null, $"needs control groups: {HostFacts.Current.Cgroups.Obstacle}");
        string victim = Path.Combine(AppContext.BaseDirectory, "Isolation.Testing.Victim.dll");
        (int code, string output) = Host.Run("dotnet", victim, "--inheritance", kind);
        Assert.Equal(($"{children}: end", 0), (output.Trim(), code));
    }

    [Fact]
    public async Task Thousands_of_launches_under_allocation_load_neither_fail_nor_leak()
    {
        const int AtOnce = 64;
        int launches = Host.IsLong ? 10_000 : 2_000;
        LaunchPlan[] plans = [.. Enum.GetValues<LaunchForm>()
            .Select(f => Box.Builder("/bin/true").WithLaunchForm(f).WithStandardOutput(Stdio.Null).Plan())];
        await LaunchAsync(plans, 500, AtOnce);
        var leaks = new Leaks();
        using var stop = new CancellationTokenSource();
        Thread[] load = [.. Enumerable.Range(0, 3).Select(_ => new Thread(() => Allocate(stop.Token)))];
        long before = Resident();
        foreach (Thread thread in load)
            thread.Start();
        await LaunchAsync(plans, launches, AtOnce);
        await stop.CancelAsync();
        foreach (Thread thread in load)
            thread.Join();
        leaks.AssertNone();
        // A page for each launch would be 8 MiB.
        long grown = Resident() - before;
        TestContext.Current.TestOutputHelper?.WriteLine($"{launches} launches, {grown >> 10} KiB more");
        Assert.InRange(grown, long.MinValue, launches * 4096L);
    }

    /// <summary>What this process holds when the collector has given back what it can.</summary>
    private static long Resident()
    {
        for (int i = 0; i < 3; i++)
        {
            GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }

        return Environment.WorkingSet;
    }

    [Fact]
    public async Task Running_out_of_descriptors_fails_the_launch_and_nothing_else()
    {
        LaunchPlan[] plans = [.. Enum.GetValues<LaunchForm>()
            .Select(f => Box.Builder("/bin/true").WithLaunchForm(f).WithStandardOutput(Stdio.Pipe).Plan())];
        await LaunchAsync(plans, 64, atOnce: 8);
        var leaks = new Leaks();
        int limit = int.Parse(File.ReadLines("/proc/self/limits").First(l => l.StartsWith("Max open files"))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries)[3]);
        Assert.SkipWhen(limit > 100_000, "needs a limit of open files that can be reached");
        var held = new List<Linux.LinuxHandle>();
        try
        {
            while (Linux.Syscalls.FileSyscalls.OpenAt(null, "/dev/null", 0) is { IsError: false } opened)
                held.Add(new Linux.LinuxHandle((int)opened.Value));
            // With ever more of them free again, each launch fails at another place, until it works.
            int failures = 0;
            for (int i = 0; i < 60; i++)
            {
                try
                {
                    await using Container process = await plans[i % plans.Length].StartAsync();
                }
                catch (LaunchException e)
                {
                    Assert.Equal(Errno.EMFILE, e.Errno);
                    failures++;
                }

                held[^1].Dispose();
                held.RemoveAt(held.Count - 1);
            }

            Assert.InRange(failures, 6, 59);
        }
        finally
        {
            foreach (Linux.LinuxHandle handle in held)
                handle.Dispose();
        }

        await LaunchAsync(plans, 6, atOnce: 2);
        leaks.AssertNone();
    }

    [Theory]
    [InlineData("/bin/true", null)]
    [InlineData("/bin/true", LaunchForm.Sealed)]
    [InlineData("/no/such/program", null)]
    [InlineData("/no/such/program", LaunchForm.InMemory)]
    [InlineData("/no/such/program", LaunchForm.Sealed)]
    public async Task What_has_ended_or_failed_is_held_by_nobody(string program, LaunchForm? form)
    {
        WeakReference plan = await LaunchOnceAsync(program, form);
        await ContainerTests.WaitFor(() =>
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            return !plan.IsAlive;
        });
    }

    // A method of its own: a variable of the one that looks would hold the plan.
    private static async Task<WeakReference> LaunchOnceAsync(string program, LaunchForm? form)
    {
        LaunchPlan plan = Box.Builder(program).WithLaunchForm(form).Plan();
        if (program == "/bin/true")
            await LaunchAsync([plan], 1, atOnce: 1);
        else
            await Assert.ThrowsAsync<LaunchException>(() => plan.StartAsync(TestContext.Current.CancellationToken));
        return new WeakReference(plan);
    }

    private static async Task LaunchAsync(LaunchPlan[] plans, int count, int atOnce)
    {
        int next = 0;
        await Task.WhenAll(Enumerable.Range(0, atOnce).Select(_ => Task.Run(async () =>
        {
            for (int i = Interlocked.Increment(ref next); i <= count; i = Interlocked.Increment(ref next))
            {
                await using Container process = await plans[i % plans.Length].StartAsync();
                ContainerResult result = await process.WaitAsync();
                Assert.True(result.Status.Code == 0, result.ToString());
            }
        })));
    }

    /// <summary>Keeps object graphs alive and checks them, so that a corrupted heap shows.</summary>
    private static void Allocate(CancellationToken stop)
    {
        var kept = new Dictionary<int, byte[]>();
        for (int i = 0; !stop.IsCancellationRequested; i++)
        {
            byte[] block = new byte[Random.Shared.Next(16, 100_000)];
            block[0] = block[^1] = (byte)(i % 251);
            kept[i % 200] = block;
            byte[] old = kept[Random.Shared.Next(Math.Min(i + 1, 200))];
            Assert.Equal(old[0], old[^1]);
            if (i % 100 == 0)
                Thread.Sleep(1);
        }
    }

    private static async Task<int> KillVictimAsync(string marker, TimeSpan life)
    {
        string victim = Path.Combine(AppContext.BaseDirectory, "Isolation.Testing.Victim.dll");
        using Process process = Process.Start(
            new ProcessStartInfo("dotnet", [victim, marker]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        // The first starts show that it is at work; the moment after that is random.
        var buffer = new byte[65536];
        int started = await process.StandardOutput.BaseStream.ReadAsync(buffer);
        Assert.True(started > 0, "the victim started nothing");
        await Task.Delay(life);
        process.Kill();
        int length;
        while ((length = await process.StandardOutput.BaseStream.ReadAsync(buffer)) > 0)
            started += length;
        await process.WaitForExitAsync();
        return started;
    }

    /// <summary>Processes that run the marked command, or are still on the way to it:
    /// those have the victim's command line or the image's name.</summary>
    internal static List<string> Survivors(string marker)
    {
        var found = new List<string>();
        foreach (string directory in Directory.EnumerateDirectories("/proc").Where(d => int.TryParse(Path.GetFileName(d), out _)))
        {
            try
            {
                string command = File.ReadAllText(directory + "/cmdline").Replace('\0', ' ');
                // Those that clean up after a process last a moment longer than it.
                bool ofOurs = command.Trim() is "isolation" or "isolation-reaper" && RunGroup.Contains(directory) && IsOrphan(directory);
                if (command.Contains(marker) || ofOurs)
                    found.Add($"{directory}: {command}");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // ended meanwhile
            }
        }

        return found;
    }

    /// <summary>Whether no process of .NET is its parent:
    /// the inits of containers that others run are none of these tests' business.</summary>
    private static bool IsOrphan(string directory)
    {
        string parent = File.ReadLines(directory + "/status").First(l => l.StartsWith("PPid:", StringComparison.Ordinal))[5..].Trim();
        return parent == "0" || Path.GetFileName(File.ReadAllText($"/proc/{parent}/cmdline").Split('\0')[0]) != "dotnet";
    }
}
