using System.IO.Pipes;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Linux.Launching;

namespace Isolation.Testing.Victim;

/// <summary>Has a pipe that executions do not close, as one that a parent has passed on, and starts what lives beside it.</summary>
internal static class InheritanceVictim
{
    /// <summary>--inheritance KIND: tells its children, and whether the pipe ended for its reader while they live.</summary>
    internal static async Task<int> RunAsync(string kind)
    {
        using var pipe = new AnonymousPipeServerStream(PipeDirection.In, HandleInheritability.Inheritable);
        using PidHandle self = PidHandle.Open(Environment.ProcessId);
        using CompanionProcess? companion = kind == "companion" ? CompanionProcess.Start("/bin/sleep", ["sleep", "100"], self) : null;
        ContainerBuilder builder = new ContainerBuilder(Rootfs.Host).WithCommand("/bin/sleep", "100")
            .WithCgroup(kind == "reaper" ? CgroupUse.Own : CgroupUse.SharedWithParent);
        await using Container? container = kind switch
        {
            "companion" => null,
            "init" => await builder.WithInit().StartAsync(),
            _ => await builder.WithLaunchForm(kind == "sealed" ? LaunchForm.Sealed : LaunchForm.InMemory).StartAsync(),
        };
        pipe.DisposeLocalCopyOfClientHandle();
        Task<int> end = Task.Run(pipe.ReadByte);
        bool ended = await Task.WhenAny(end, Task.Delay(TimeSpan.FromSeconds(5))) == end;
        string[] children =
        [
            .. Directory.EnumerateDirectories("/proc/self/task")
                .SelectMany(t => File.ReadAllText(t + "/children").Split(' ', StringSplitOptions.RemoveEmptyEntries))
                .Select(c => File.ReadAllText($"/proc/{c}/comm").TrimEnd()).Order(StringComparer.Ordinal),
        ];
        Console.WriteLine($"{string.Join(' ', children)}: {(ended ? "end" : "no end")}");
        return 0;
    }
}
