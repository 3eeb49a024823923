using System.Diagnostics;
using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Launching;
using Isolation.Linux.MachineCode;
using Isolation.Linux.Syscalls;

namespace Isolation.Benchmarks.Launch;

/// <summary>A process that makes launches on request: the C program for the floor and the other tools,
/// or this one with another heap.</summary>
internal sealed class Driver : IDisposable
{
    private readonly Process _process;

    internal Driver(string[] command) =>
        _process = Process.Start(new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true
        })!;

    /// <summary>The command in a view with cgroup2 alone, without controllers, for crun and runc:
    /// the containers compared have no cgroup either.</summary>
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

    /// <summary>Compiles the driver with the floors of the given plans, and what they execute in place of a sealed image.</summary>
    internal static string Build(string directory, IReadOnlyList<(string Name, LaunchProgram Program)> floors)
    {
        string ImageOf(string name) => Path.Combine(directory, name + "-image");
        string finders = string.Concat(floors.Select(f => $"if (!strcmp(name, \"{f.Name}\")) return {f.Name};\n"));
        foreach (string file in new[] { "driver.c", "image.h", "raw.h" })
            File.Copy(Path.Combine(AppContext.BaseDirectory, file), Path.Combine(directory, file), overwrite: true);
        string functions = string.Concat(floors.Select(f => FloorSource.Write(f.Name, f.Program, ImageOf(f.Name))));
        string finder = $"static long (*find_floor(const char *name))(void) {{\n{finders}return 0; }}\n";
        File.WriteAllText(Path.Combine(directory, "floors.h"), functions + finder);
        foreach ((string name, LaunchProgram program) in floors.Where(f => f.Program.Form == LaunchForm.Sealed))
        {
            File.WriteAllText(ImageOf(name) + ".c", FloorSource.WriteImage(program));
            string place = $"-Wl,--section-start={FloorSource.ImageSection}=0x{SealedImage.DataAddress:x}";
            Compile([.. s_freestanding, place, "-o", ImageOf(name), ImageOf(name) + ".c"]);
        }

        Compile("-O2", "-w", "-o", Path.Combine(directory, "driver"), Path.Combine(directory, "driver.c"));
        return Path.Combine(directory, "driver");
    }

    /// <summary>Makes a static program of a few instructions that exits.</summary>
    internal static void BuildTiny(string path)
    {
        string source = path + ".c", header = path + ".h";
        File.Copy(Path.Combine(AppContext.BaseDirectory, "raw.h"), header);
        string call = $"raw({SyscallNumber.Native(Syscall.exit_group)}, 0, 0, 0, 0, 0, 0);";
        File.WriteAllText(source, $"#include \"{header}\"\nvoid _start(void) {{ {call} for (;;); }}\n");
        Compile([.. s_freestanding, "-o", path, source]);
        File.Delete(source);
        File.Delete(header);
    }

    private static readonly string[] s_freestanding =
    [
        "-O2", "-w", "-s", "-static", "-nostdlib", "-ffreestanding",
        "-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-fno-pie", "-no-pie",
    ];

    private static void Compile(params string[] arguments)
    {
        using Process compiler = Process.Start("gcc", arguments);
        compiler.WaitForExit();
        if (compiler.ExitCode != 0)
            throw new InvalidOperationException("gcc failed");
    }
}
