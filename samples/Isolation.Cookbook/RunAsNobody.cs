using Isolation.Containers;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Cookbook;

/// <summary>Runs a program as nobody, without capabilities, in a copy of a directory.</summary>
internal static class RunAsNobody
{
    private const UnixFileMode Everybody = (UnixFileMode)0b111_111_111;

    internal static async Task Main(string[] arguments)
    {
        DirectoryInfo source = Directory.CreateTempSubdirectory("source-");
        // Only this user may enter the outer directory. Everybody may write to the inner one, which alone is mounted.
        DirectoryInfo outer = Directory.CreateTempSubdirectory("workspace-");
        try
        {
            await File.WriteAllTextAsync(Path.Combine(source.FullName, "input.txt"), "three words here\n");
            string workspace = Path.Combine(outer.FullName, "workspace");
            Copy(source.FullName, workspace);

            ContainerOutput output = await new ContainerBuilder(Rootfs.Host)
                .AddMount(new BindMount(workspace, "/mnt", MountFlags.NoSuid | MountFlags.NoDev))
                .WithUser("nobody")
                .WithCapabilities(CapabilitySet.None)
                .WithWorkingDirectory("/mnt")
                .WithCommand("sh", "-c", "id -un; wc -w < input.txt > words.txt; rm input.txt")
                .CaptureAsync();

            Console.Write(output.ThrowIfFailed().StandardOutput);
            Console.Write($"words: {await File.ReadAllTextAsync(Path.Combine(workspace, "words.txt"))}");
            Console.WriteLine($"source untouched: {File.Exists(Path.Combine(source.FullName, "input.txt"))}");
        }
        finally
        {
            source.Delete(recursive: true);
            outer.Delete(recursive: true);
        }
    }

    private static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        // Not as a parameter of CreateDirectory: the umask would take bits away.
        File.SetUnixFileMode(to, Everybody);
        foreach (string file in Directory.EnumerateFiles(from))
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        foreach (string directory in Directory.EnumerateDirectories(from))
            Copy(directory, Path.Combine(to, Path.GetFileName(directory)));
    }
}
