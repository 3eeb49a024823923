using System.Diagnostics;
using System.Globalization;

namespace Isolation.Benchmarks.Launch;

/// <summary>A process that makes launches on request: the C program for the floor and the other tools, or this one with another heap.</summary>
internal sealed class Driver : IDisposable
{
    private readonly Process _process;

    internal Driver(string[] command) =>
        _process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;

    /// <summary>The command in a view with cgroup2 alone, without controllers, for crun and runc: the containers compared have no cgroup either.</summary>
    internal static string[] WithUnifiedCgroups(string path) =>
        ["unshare", "-m", "sh", "-c", $"umount -l /sys/fs/cgroup 2>/dev/null; mount -t cgroup2 none /sys/fs/cgroup; exec {path}"];

    /// <summary>Makes one launch and returns how long it took, or what went wrong.</summary>
    internal double Run(string request)
    {
        _process.StandardInput.WriteLine(request);
        _process.StandardInput.Flush();
        string answer = _process.StandardOutput.ReadLine() ?? "the driver has ended";
        return long.TryParse(answer, NumberStyles.None, CultureInfo.InvariantCulture, out long nanoseconds)
            ? nanoseconds / 1000.0
            : throw new InvalidOperationException($"{request.Replace('\x01', ' ')}: {answer}");
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        _process.WaitForExit();
        _process.Dispose();
    }

    /// <summary>Compiles the driver with the floors of the given plans.</summary>
    internal static string Build(string directory, IReadOnlyList<(string Name, Linux.Launching.LaunchProgram Program)> floors)
    {
        string finders = string.Concat(floors.Select(f => $"if (!strcmp(name, \"{f.Name}\")) return {f.Name};\n"));
        File.WriteAllText(Path.Combine(directory, "floors.h"),
            string.Concat(floors.Select(f => FloorSource.Write(f.Name, f.Program))) + $"static long (*find_floor(const char *name))(void) {{\n{finders}return 0; }}\n");
        File.Copy(Path.Combine(AppContext.BaseDirectory, "driver.c"), Path.Combine(directory, "driver.c"), overwrite: true);
        Compile("-O2", "-w", "-o", Path.Combine(directory, "driver"), Path.Combine(directory, "driver.c"));
        return Path.Combine(directory, "driver");
    }

    /// <summary>Makes a static program of a few instructions: exit, or execve of another.</summary>
    internal static void BuildTiny(string path, string? execute)
    {
        string source = path + ".c";
        string call = execute is null ? "" : $"static char *v[] = {{\"{execute}\", 0}}; raw({(IsX64 ? 59 : 221)}, (long)\"{execute}\", (long)v, (long)(v + 1));";
        string raw = IsX64
            ? "static long raw(long n, long a, long b, long c) { long r; __asm__ volatile(\"syscall\" : \"=a\"(r) : \"a\"(n), \"D\"(a), \"S\"(b), \"d\"(c) : \"rcx\", \"r11\", \"memory\"); return r; }"
            : "static long raw(long n, long a, long b, long c) { register long x0 __asm__(\"x0\") = a, x1 __asm__(\"x1\") = b, x2 __asm__(\"x2\") = c, x8 __asm__(\"x8\") = n; __asm__ volatile(\"svc #0\" : \"+r\"(x0) : \"r\"(x1), \"r\"(x2), \"r\"(x8) : \"memory\"); return x0; }";
        File.WriteAllText(source, $"{raw}\nvoid _start(void) {{ {call} raw({(IsX64 ? 231 : 94)}, 0, 0, 0); for (;;); }}\n");
        Compile("-O2", "-w", "-static", "-nostdlib", "-ffreestanding", "-s", "-o", path, source);
        File.Delete(source);
    }

    private static bool IsX64 => System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture == System.Runtime.InteropServices.Architecture.X64;

    private static void Compile(params string[] arguments)
    {
        using Process compiler = Process.Start("gcc", arguments);
        compiler.WaitForExit();
        if (compiler.ExitCode != 0)
            throw new InvalidOperationException("gcc failed");
    }
}
