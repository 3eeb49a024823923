using System.Diagnostics;
using System.Globalization;
using Isolation.Benchmarks;
using Isolation.Differential;
using Isolation.Linux;
using Isolation.Linux.Syscalls;
using Isolation.Security;

// Filters and notifications side by side, interleaved, in one run:
// this library, libseccomp (package libseccomp2), and a C program that does the least.
const string Text = """
    usage: Isolation.Benchmarks.Security [PROFILE.json] [ROUNDS]
    PROFILE.json: a seccomp profile as docker reads it; without one, the filter that containers have by default, as far as
    libseccomp can say it.
    ROUNDS: of each comparison, 11.
    Needs gcc and libseccomp.so.2 (package libseccomp2).
    """;
if (Usage.Ends(args, Text, File.Exists, numbers: 1, needsRoot: false, "gcc"))
    return;
string? profile = args.FirstOrDefault(File.Exists) is { } file ? File.ReadAllText(file) : null;
int rounds = Usage.Number(args, 0, otherwise: 11);
string work = Directory.CreateTempSubdirectory("isolation-benchmark-").FullName;
try
{
    string floor = Path.Combine(work, "floor");
    Run("gcc", "-O2", "-w", "-pthread", "-o", floor, Path.Combine(AppContext.BaseDirectory, "floor.c"));
    foreach (SeccompArchitecture[] architectures in new SeccompArchitecture[][] { [SeccompArchitecture.X64],
        [SeccompArchitecture.X64, SeccompArchitecture.X86, SeccompArchitecture.X32] })
    {
        SeccompFilter filter = FilterFor(architectures);
        Console.WriteLine($"\nthe {(profile is null ? "default filter" : "profile")} for {string.Join(", ", architectures)}");
        Describe("Isolation", filter.Compile());
        Describe("libseccomp", Libseccomp.Compile(filter));
        Describe("libseccomp, tree", Libseccomp.Compile(filter, tree: true));
        Table("compile, us", rounds * 5,
            ("Isolation", () => Time(() => SeccompCompiler.CompileAnew(filter))),
            ("libseccomp", () => Time(() => Libseccomp.Compile(filter))),
            ("libseccomp, tree", () => Time(() => Libseccomp.Compile(filter, tree: true))));
    }

    SeccompFilter native = FilterFor([new SeccompProfileHost().Architecture]);
    string ours = Path.Combine(work, "ours"), theirs = Path.Combine(work, "theirs"), argument = Path.Combine(work, "argument");
    File.WriteAllBytes(ours, native.Compile().ToBytes());
    File.WriteAllBytes(theirs, Libseccomp.Compile(native).ToBytes());
    // With a condition on its argument a call is always looked at: the kernel's cache of calls that pass anyway does not serve it.
    SeccompFilter looked = native.Without("getpid", "read").Add(SeccompAction.Allow, "getpid", SeccompCondition.NotEqual(5, 1))
        .Add(SeccompAction.Allow, "read", SeccompCondition.NotEqual(5, 1));
    File.WriteAllBytes(argument, looked.Compile().ToBytes());
    string argumentTheirs = Path.Combine(work, "argument-theirs");
    File.WriteAllBytes(argumentTheirs, Libseccomp.Compile(looked).ToBytes());
    double Calls(string file, int column) =>
        double.Parse(Output(floor, "calls", file, "300000").Split(' ')[column], CultureInfo.InvariantCulture) / 1000;
    for (int column = 0; column < 2; column++)
    {
        int which = column;
        Table(column == 0 ? "getpid, us" : "read of no bytes, us", rounds, ("no filter", () => Calls("-", which)),
            ("Isolation", () => Calls(ours, which)), ("libseccomp", () => Calls(theirs, which)),
            ("Isolation, argument looked at", () => Calls(argument, which)),
            ("libseccomp, argument looked at", () => Calls(argumentTheirs, which)));
    }

    const int Notifications = 100_000;
    Table($"a notification, of {Notifications}, us", rounds,
        ("C handler", () => double.Parse(Output(floor, "notify", Notifications.ToString(CultureInfo.InvariantCulture)),
            CultureInfo.InvariantCulture) / 1000),
        ("Isolation", () => Notify(Notifications)));
}
finally
{
    Directory.Delete(work, recursive: true);
}

SeccompFilter FilterFor(SeccompArchitecture[] architectures) => profile is null
    ? Comparable(SeccompFilter.Default).WithArchitectures(architectures)
    : SeccompProfile.Read(profile, new SeccompProfileHost { Architecture = architectures[0], Architectures = [.. architectures] });

// libseccomp takes no rule with the default's action: what is refused within a call that is allowed else is left out.
static SeccompFilter Comparable(SeccompFilter filter) => filter.Rules.Where(r => r.Action == filter.DefaultAction)
    .Select(r => r.Syscall).Distinct()
    .Aggregate(filter, (f, call) => f.Without(call).Allow(call));

static double Notify(int count)
{
    using var thread = new LinuxThread("caller");
    SeccompListener listener = thread.Invoke(() =>
    {
        NoNewPrivileges.SetForCurrentThread();
        return SeccompFilter.Of(SeccompAction.Allow).Add(SeccompAction.UserNotify, "getppid").LoadOnCurrentThreadWithListener();
    });
    using SeccompNotifier notifier = SeccompNotifier.Start(listener, static _ => new(SeccompReply.Return(4711)));
    return thread.Invoke(() =>
    {
        long begin = Stopwatch.GetTimestamp();
        for (int i = 0; i < count; i++)
            RawSyscall.Invoke(Syscall.getppid);
        return Stopwatch.GetElapsedTime(begin).TotalMicroseconds / count;
    });
}

static void Describe(string name, SeccompProgram program)
{
    int allowed = 0, executed = 0, worst = 0;
    for (uint number = 0; number < 470; number++)
    {
        if (program.Evaluate(SeccompCall.Of(SeccompArchitecture.X64, number), out int steps) != SeccompAction.Allow)
            continue;
        (allowed, executed, worst) = (allowed + 1, executed + steps, Math.Max(worst, steps));
    }

    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {name,-32} {program.Instructions.Length,5} instructions, "
        + $"{(double)executed / allowed:F2} executed on average by {allowed} allowed calls, at most {worst}"));
}

static double Time(Action action)
{
    long begin = Stopwatch.GetTimestamp();
    action();
    return Stopwatch.GetElapsedTime(begin).TotalMicroseconds;
}

static void Table(string title, int rounds, params (string Name, Func<double> Measure)[] contestants)
{
    // Compiled code takes its last form after about two seconds.
    long begin = Stopwatch.GetTimestamp();
    while (Stopwatch.GetElapsedTime(begin) < TimeSpan.FromSeconds(2))
    {
        foreach ((_, Func<double> measure) in contestants)
            measure();
    }

    var times = contestants.ToDictionary(c => c.Name, _ => new List<double>());
    for (int i = 0; i < rounds; i++)
    {
        foreach ((string name, Func<double> measure) in contestants)
            times[name].Add(measure());
    }

    Console.WriteLine($"\n{title} (medians of {rounds}, interleaved)");
    foreach ((string name, List<double> list) in times)
    {
        list.Sort();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"  {name,-32} {list[list.Count / 2],10:F3}   ({list[0]:F3} to {list[^1]:F3})"));
    }
}

static void Run(string program, params string[] arguments) => Output(program, arguments);

static string Output(string program, params string[] arguments)
{
    using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
    string output = process.StandardOutput.ReadToEnd();
    process.WaitForExit();
    return process.ExitCode == 0
        ? output
        : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} failed with {process.ExitCode}.");
}
