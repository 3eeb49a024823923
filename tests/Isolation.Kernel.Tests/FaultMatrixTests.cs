using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Isolation.Containers;
using Isolation.Linux.Syscalls;

namespace Isolation.Kernel.Tests;

/// <summary>Whichever system call of this side of a start, a wait or a removal fails, and whichever it is killed at: the start is refused
/// or goes well, and nothing is left.</summary>
/// <remarks>A random sample of some modes by default; ISOLATION_LONG=1 tries every call, each time that it is made, with four errors;
/// ISOLATION_LONG=joined,network does so for these modes alone.
/// The calls of the other side have their own test, FaultInjectionTests.</remarks>
public class FaultMatrixTests
{
    private const int Aborted = 6; // SIGABRT, as wait(2) tells it

    private static readonly TimeSpan s_patience = Host.IsLong ? TimeSpan.FromHours(2) : TimeSpan.FromMinutes(3);

    private static readonly string[] s_modes = ["plan", "memory", "sealed", "init", "users", "limits", "terminal", "joined", "network"];

    public static TheoryData<string> Modes => !Host.IsLong ? ["plan", "memory", "sealed", "init", "terminal"]
        : Environment.GetEnvironmentVariable("ISOLATION_LONG")!.Split(',').Intersect(s_modes).ToArray() is { Length: > 0 } named
            ? [.. named] : [.. s_modes];

    // A plan leaves nothing behind.
    public static TheoryData<string> LaunchModes => [.. Modes.Select(m => m.Data).Where(m => m != "plan")];

    [Theory]
    [MemberData(nameof(Modes))]
    public void A_call_that_fails_refuses_the_start_or_does_no_harm_and_leaves_nothing(string mode)
    {
        CheckHost(mode);
        int seed = Environment.TickCount, from = 0, runs = 0;
        var bad = new List<string>();
        while (true)
        {
            (List<string> lines, int status) =
                Run(mode, "--faults", mode, Host.IsLong ? "0" : "8", seed.ToString(CultureInfo.InvariantCulture),
                from.ToString(CultureInfo.InvariantCulture));
            bad.AddRange(lines.Where(l => l.StartsWith("BAD ", StringComparison.Ordinal)));
            foreach (string told in lines.Where(l => l.StartsWith("outcome ", StringComparison.Ordinal)
                || l.StartsWith("cases ", StringComparison.Ordinal)))
                TestContext.Current.TestOutputHelper?.WriteLine($"{mode}: {told}");
            if (lines.Contains("done"))
                break;
            // It has hung or crashed: it goes on behind the case. A call of the runtime's own may have been the one; that ends itself so.
            string last = lines.LastOrDefault(l => l.StartsWith("at ", StringComparison.Ordinal)) ?? "at -1 before the first case";
            if (status != Aborted || !lines.Any(l => l.StartsWith("stderr: Out of memory.", StringComparison.Ordinal)))
                bad.Add($"status {status:x} at: {last}; {string.Join(" | ", lines.TakeLast(3))}");
            from = int.Parse(last.Split(' ')[1], CultureInfo.InvariantCulture) + 1;
            if (from == 0 || ++runs > 200)
                break;
        }

        foreach (string line in bad)
            TestContext.Current.TestOutputHelper?.WriteLine(line);
        Assert.True(bad.Count == 0, $"seed {seed}: {string.Join('\n', bad)}");
    }

    [Theory]
    [MemberData(nameof(LaunchModes))]
    public void A_parent_that_is_killed_at_any_call_leaves_nothing(string mode)
    {
        CheckHost(mode);
        // How many calls there are.
        (List<string> counted, _) = Run(mode, "--fault-kill", mode, "1000000");
        string[] clean = WhatIsThere(counted);
        Assert.Equal(mode == "network", clean.Contains("after ran"));
        int calls = int.Parse(counted.Single(l => l.StartsWith("calls ", StringComparison.Ordinal)).Split(' ')[1],
            CultureInfo.InvariantCulture);
        Assert.InRange(calls, 10, 5000);
        var random = new Random();
        int[] numbers = Host.IsLong ? [.. Enumerable.Range(1, calls)] : [.. Enumerable.Range(0, 2).Select(_ => random.Next(1, calls + 1))];
        var left = new List<string>();
        foreach (int number in numbers)
        {
            string mounts = File.ReadAllText("/proc/self/mountinfo");
            (List<string> lines, int status) = Run(mode, "--fault-kill", mode, number.ToString(CultureInfo.InvariantCulture));
            // The last calls come now and then in another number.
            if (status != 9 && !lines.Any(l => l.StartsWith("calls ", StringComparison.Ordinal)))
                left.Add($"call {number}: status {status:x}; {string.Join(" | ", lines.TakeLast(3))}");
            // The next process finds all in order, and leaves what one does that nobody has killed.
            if (mode == "network" && WhatIsThere(lines) is var there && !there.SequenceEqual(clean))
            {
                IEnumerable<string> missing = clean.Except(there).Select(c => "not " + c);
                left.Add($"call {number} of {calls}: {string.Join(" | ", there.Except(clean).Concat(missing))}");
            }

            if (FindLeft() is { } found)
                left.Add($"call {number} of {calls}: {found}");
            if (File.ReadAllText("/proc/self/mountinfo") != mounts)
                left.Add($"call {number} of {calls}: a mount");
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{mode}: killed at {numbers.Length} of {calls} calls");
        Assert.True(left.Count == 0, $"{mode}: {string.Join('\n', left)}");
    }

    private static string[] WhatIsThere(List<string> lines) =>
        [.. lines.Where(l => l.StartsWith("after ", StringComparison.Ordinal) || l.StartsWith("there ", StringComparison.Ordinal))];

    private static void CheckHost(string mode)
    {
        Assert.SkipUnless(RuntimeInformation.ProcessArchitecture == Architecture.X64, "traces x86-64 only");
        if (mode == "network")
            Host.NeedsRoot();
        if (mode == "limits")
            Assert.SkipUnless(HostFacts.Current.Cgroups.Obstacle is null, $"needs control groups: {HostFacts.Current.Cgroups.Obstacle}");
        if (mode == "users" && !Host.IsRoot)
            Assert.SkipUnless(HostFacts.Current is { NewUidMap: not null, SubUserIds.IsEmpty: false },
                "needs newuidmap and a range in /etc/subuid");
    }

    private static int s_lastProcess;

    /// <summary>What the last process has left, when a while has passed.</summary>
    private static string? FindLeft()
    {
        string name = string.Create(CultureInfo.InvariantCulture, $"isolation-faults-{s_lastProcess}");
        string[] found = [];
        for (int i = 0; i < 250; i++)
        {
            found =
            [
                .. Directory.EnumerateDirectories("/sys/fs/cgroup", name + "*",
                    new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 6, IgnoreInaccessible = true }),
                .. Directory.EnumerateDirectories("/proc").Where(IsOfLast),
            ];
            if (found.Length == 0)
                return null;
            Thread.Sleep(20);
        }

        return string.Join(' ',
            found.Select(f => f.StartsWith("/proc", StringComparison.Ordinal) ? f + " " + File.ReadAllText(f + "/comm").TrimEnd() : f));

        // Its environment tells; children of a container have none of this one's, but are in its session or are killed with it.
        static bool IsOfLast(string process)
        {
            try
            {
                return int.TryParse(Path.GetFileName(process), out _) && File.ReadAllText(process + "/cmdline")
                    .Contains($"faulty-{s_lastProcess}", StringComparison.Ordinal);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return false;
            }
        }
    }

    /// <summary>Runs the victim under a tracer; in a network of its own where networks are made.</summary>
    private static (List<string> Lines, int Status) Run(string mode, params string[] arguments)
    {
        string victim = Path.Combine(AppContext.BaseDirectory, "Isolation.Testing.Victim.dll");
        Assert.SkipUnless(Path.GetFileName(Environment.ProcessPath) == "dotnet" && File.Exists(victim), "needs dotnet and the victim");
        using var directory = new TemporaryDirectory();
        // Not a child of this process: the runtime would take the tracer's notices for ends of it.
        const string Script = "exec 3<&0; \"$@\" <&3 & echo $!; wait $!; "
            + "[ \"$AFTER\" = \"\" ] || exec \"$1\" \"$2\" --fault-after $AFTER < /dev/null";
        string[] shell = ["/bin/sh", "-c", Script, "sh", Environment.ProcessPath!, victim, .. arguments];
        if (mode == "network")
            shell = ["unshare", "-n", "-m", "--propagation", "private", .. shell];
        var start = new ProcessStartInfo(shell[0], shell[1..]);
        if (mode == "network")
            start.Environment["ISOLATION_NETWORKS"] = directory.Path;
        if (mode == "network" && arguments[0] == "--fault-kill")
            start.Environment["AFTER"] = mode;
        (start.RedirectStandardInput, start.RedirectStandardOutput, start.RedirectStandardError) = (true, true, true);
        using Process process = Process.Start(start)!;
        s_lastProcess = int.Parse(process.StandardOutput.ReadLine()!, CultureInfo.InvariantCulture);
        var lines = new List<string>();
        var reader = new Thread(() =>
        {
            while (process.StandardOutput.ReadLine() is { } line)
            {
                lock (lines)
                    lines.Add(line);
            }
        });
        reader.Start();
        string errors = "";
        var errorReader = new Thread(() => errors = process.StandardError.ReadToEnd());
        errorReader.Start();
        Thread.Sleep(200); // so that most of the runtime's start is not traced
        FaultTracer tracer = FaultTracer.Attach(s_lastProcess);
        process.StandardInput.WriteLine();
        bool ended = tracer.WaitForEnd(s_patience);
        if (!ended)
            RawSyscall.Invoke(Syscall.kill, (nuint)s_lastProcess, 9);
        reader.Join(TimeSpan.FromSeconds(30)); // what comes after it tells what it finds
        errorReader.Join(TimeSpan.FromSeconds(5));
        lock (lines)
        {
            if (!ended)
                lines.Add($"it had not ended after {s_patience}");
            if (errors.Length > 0)
                lines.Add("stderr: " + errors.ReplaceLineEndings(" "));
            return ([.. lines], tracer.WaitStatus);
        }
    }
}
