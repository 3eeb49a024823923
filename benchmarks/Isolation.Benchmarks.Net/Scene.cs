using System.Diagnostics;
using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Syscalls;

namespace Isolation.Benchmarks.Net;

/// <summary>Files, programs and comparisons.</summary>
internal sealed class Scene : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("isolation-net-").FullName;

    internal Scene()
    {
        Floor = File("floor");
        Pyroute2 = Extract("peer.py");
        using Process gcc = Process.Start("gcc", ["-O2", "-w", "-o", Floor, Extract("floor.c")]);
        gcc.WaitForExit();
        HasPyroute2 = RunHere("/usr/bin/python3", "-c", "import pyroute2") == 0;
    }

    internal string Floor { get; }

    internal string Pyroute2 { get; }

    internal bool HasPyroute2 { get; }

    internal string File(string name) => Path.Combine(_directory, name);

    internal static string PathOf(LinuxHandle handle)
    {
        using Borrow file = new(handle);
        return string.Create(CultureInfo.InvariantCulture, $"/proc/{Environment.ProcessId}/fd/{file.Number}");
    }

    /// <summary>A second descriptor with a certain number.</summary>
    internal static LinuxHandle Duplicate(LinuxHandle handle, int number)
    {
        SyscallResult result = RawSyscall.Invoke(Syscall.dup3, handle, (nuint)number, 0x80000);
        result.ThrowIfError("duplicate", "a descriptor", "dup3(2)");
        return new LinuxHandle(number);
    }

    /// <summary>Runs a program in a network namespace; it must succeed.</summary>
    internal async Task<string> RunAsync(LinuxHandle network, string program, params string[] arguments)
    {
        var start = new ProcessStartInfo("nsenter", ["--net=" + PathOf(network), program, .. arguments])
        { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0
            ? output.Trim()
            : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)}: {await errors}{output}");
    }

    /// <summary>A process in a namespace, for tools that know namespaces by processes.</summary>
    internal Process Hold(LinuxHandle network)
    {
        Process process = Process.Start("nsenter", ["--net=" + PathOf(network), "sleep", "60"]);
        while (!System.IO.File.ReadAllText($"/proc/{process.Id}/comm").StartsWith("sleep", StringComparison.Ordinal))
            Thread.Sleep(1);
        return process;
    }

    internal static void End(Process process)
    {
        process.Kill();
        process.WaitForExit();
    }

    internal double Time(Action action, int repeat)
    {
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < repeat; i++)
            action();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds / repeat;
    }

    internal async Task<double> TimeAsync(Func<Task> action)
    {
        long start = Stopwatch.GetTimestamp();
        await action();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    internal async Task CompareAsync(string what, Dictionary<string, Func<Task<double>>> contenders, int rounds, TimeSpan? pause = null)
    {
        var times = contenders.Keys.ToDictionary(k => k, _ => new List<double>());
        // One round to compile and to fill caches.
        foreach (Func<Task<double>> contender in contenders.Values)
            await contender();
        for (int round = 0; round < rounds; round++)
        {
            string[] order = [.. contenders.Keys];
            Random.Shared.Shuffle(order);
            foreach (string name in order)
            {
                // The kernel takes namespaces apart in the background: the next must not pay for the one before.
                await Task.Delay(pause ?? TimeSpan.FromSeconds(2));
                times[name].Add(await contenders[name]());
            }
        }

        Console.WriteLine(what);
        double first = Median(times.First().Value);
        foreach ((string name, List<double> list) in times)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"  {name,-40} median {Median(list),9:F1}   least {list.Min(),9:F1}   {Median(list) / first,6:F2} x"));
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private string Extract(string name)
    {
        using Stream source = typeof(Scene).Assembly.GetManifestResourceStream(name)!;
        using FileStream target = System.IO.File.Create(File(name));
        source.CopyTo(target);
        return File(name);
    }

    private static int RunHere(string program, params string[] arguments)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
            process.WaitForExit();
            return process.ExitCode;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return -1;
        }
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);
}
