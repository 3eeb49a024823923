using System.Text;
using Isolation.Cgroups;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Cookbook;

/// <summary>Runs a converter over a file of somebody else's: the input read-only, the output through a pipe, nothing else.</summary>
internal static class ConvertFile
{
    internal static async Task Main(string[] arguments)
    {
        string upload = Path.GetTempFileName();
        try
        {
            await File.WriteAllBytesAsync(upload, Encoding.Latin1.GetBytes("grüße"));

            // Any converter has this form; iconv(1) is on every Debian.
            ContainerOutput output = await new ContainerBuilder(Rootfs.Host)
                .WithCommand("iconv", "-f", "LATIN1", "-t", "UTF-8", "/mnt/input")
                .AddMount(new BindMount(upload, "/mnt/input", MountFlags.ReadOnly))
                .AddMount(new TmpfsMount("/tmp"))
                .WithCapabilities(CapabilitySet.None)
                .WithMemoryMax(ByteSize.FromMebibytes(256)).WithCpus(0.5)
                .WithTimeout(TimeSpan.FromSeconds(20))
                .WithOutputMax(ByteSize.FromMebibytes(16))
                .CaptureAsync();

            Console.WriteLine(Encoding.UTF8.GetString(output.ThrowIfFailed().StandardOutputBytes.Span));
            Console.WriteLine($"{output.StandardOutputBytes.Length} bytes, {output.Result}");
        }
        finally
        {
            File.Delete(upload);
        }
    }
}
