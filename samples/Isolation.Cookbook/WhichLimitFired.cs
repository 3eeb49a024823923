using Isolation.Cgroups;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Security;

namespace Isolation.Cookbook;

/// <summary>Says which limit a program hit.</summary>
internal static class WhichLimitFired
{
    internal static async Task Main(string[] arguments)
    {
        ContainerBuilder builder = new(Rootfs.Host);
        (string Name, ContainerBuilder Builder)[] programs =
        [
            ("sleeps", builder.WithCommand("sleep", "100").WithTimeout(TimeSpan.FromSeconds(1))),
            ("writes", builder.WithCommand("yes").WithOutputMax(ByteSize.FromKibibytes(64))),
            ("grows a file", builder.WithCommand("sh", "-c", "exec head -c 100000 /dev/zero > /dev/shm/file")
                .AddRlimit(new Rlimit(RlimitResource.Fsize, 1000, 1000))),
            ("spins", builder.WithCommand("sh", "-c", "while :; do :; done")
                .AddRlimit(new Rlimit(RlimitResource.Cpu, 1, 2))),
            ("forks", builder.WithCommand("sh", "-c", "for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait").WithPidsMax(4)),
            ("allocates", builder.WithCommand("sh", "-c", "x=x; while :; do x=$x$x; done")
                .WithMemoryMax(ByteSize.FromMebibytes(16)).WithMemorySwapMax(ByteSize.FromMebibytes(0))),
        ];
        foreach ((string name, ContainerBuilder program) in programs)
        {
            try
            {
                ContainerOutput output = await program.CaptureAsync();
                Console.WriteLine($"{name}: {output.Result.Limits}");
            }
            catch (KernelFeatureException e)
            {
                // Limits of the last two need a control group; the text says how to have one.
                Console.WriteLine($"{name}: {e.Message}");
            }
        }
    }
}
