using Isolation.Cgroups;
using Isolation.Containers;
using Isolation.Linux;

namespace Isolation.Cookbook;

/// <summary>Judges submissions: the same input for each, a time limit, a memory limit, and a verdict.</summary>
internal static class Judge
{
    private const string Input = "3 4\n", Expected = "7\n";

    internal static async Task Main(string[] arguments)
    {
        (string Name, string Script)[] submissions =
        [
            ("right", "read a b; echo $((a + b))"),
            ("wrong", "echo 8"),
            ("crashes", "kill -SEGV $$"),
            ("never ends", "while :; do :; done"),
            ("takes all memory", "x=x; while :; do x=$x$x; done"),
        ];
        foreach ((string name, string script) in submissions)
            Console.WriteLine($"{name}: {await JudgeAsync(script)}");
    }

    private static async Task<string> JudgeAsync(string script)
    {
        ContainerOutput output = await new ContainerBuilder(Rootfs.Host)
            .WithCommand("sh", "-c", script)
            .WithStandardInput(Input)
            .WithCpuTimeMax(TimeSpan.FromSeconds(1))
            .WithTimeout(TimeSpan.FromSeconds(5))
            .WithMemoryMax(ByteSize.FromMebibytes(32)).WithMemorySwapMax(ByteSize.FromMebibytes(0))
            .WithPidsMax(16)
            .WithOutputMax(ByteSize.FromKibibytes(64))
            .CaptureAsync();
        return output.Result switch
        {
            { Limits: var limits } when (limits & (LimitHits.Time | LimitHits.CpuTime)) != 0 => "time limit exceeded",
            { Limits: var limits } when limits.HasFlag(LimitHits.Memory) => "memory limit exceeded",
            { Limits: var limits } when limits.HasFlag(LimitHits.Output) => "output limit exceeded",
            { IsSuccess: false } result => $"runtime error ({result.Status})",
            _ => output.StandardOutput == Expected ? "accepted" : "wrong answer",
        };
    }
}
