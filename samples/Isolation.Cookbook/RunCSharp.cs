using Isolation.Cgroups;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Namespaces;

namespace Isolation.Cookbook;

/// <summary>Compiles a C# program that is not trusted, and runs the assembly: each in a container, without a network.</summary>
internal static class RunCSharp
{
    private const string Source = """
        System.Console.WriteLine($"6 * 7 = {6 * 7}");
        System.Console.WriteLine($"home is there: {System.IO.Directory.Exists("/home/me")}");
        """;

    internal static async Task Main(string[] arguments)
    {
        string runtime = Path.GetDirectoryName(typeof(object).Assembly.Location)!; // .../shared/Microsoft.NETCore.App/10.0.x
        string dotnet = Path.GetFullPath(Path.Combine(runtime, "../../.."));
        string compiler = Directory.EnumerateFiles(Path.Combine(dotnet, "sdk"), "csc.dll", SearchOption.AllDirectories).Last();
        DirectoryInfo workspace = Directory.CreateTempSubdirectory("csharp-");
        try
        {
            await File.WriteAllTextAsync(Path.Combine(workspace.FullName, "program.cs"), arguments.ElementAtOrDefault(0) ?? Source);
            await File.WriteAllLinesAsync(Path.Combine(workspace.FullName, "options.rsp"),
                Directory.EnumerateFiles(runtime, "*.dll").Select(f => $"-reference:\"{f}\"").Append("-out:program.dll program.cs"));
            await File.WriteAllTextAsync(Path.Combine(workspace.FullName, "program.runtimeconfig.json"),
                $$"""{ "runtimeOptions": { "framework": { "name": "Microsoft.NETCore.App", "version": "{{Environment.Version}}" } } }""");

            ContainerBuilder builder = new ContainerBuilder(Rootfs.Host)
                .AddEnvironment("DOTNET_EnableDiagnostics", "0")
                .AddEnvironment("DOTNET_gcHeapHardLimit", "0x10000000") // 256 MiB, also where no control group is delegated
                .AddMount(new TmpfsMount("/home"))
                .WithWorkingDirectory("/mnt")
                .WithTimeout(TimeSpan.FromSeconds(60));

            // The compiler reads hostile input, so it has a container too. It alone may write to the workspace.
            ContainerOutput compiled = await builder
                .AddMount(new BindMount(workspace.FullName, "/mnt"))
                .WithCommand(Path.Combine(dotnet, "dotnet"), "exec", compiler, "-nologo", "@options.rsp")
                .CaptureAsync();
            if (!compiled.IsSuccess)
            {
                Console.Write(compiled.StandardOutput);
                return;
            }

            ContainerOutput output = await builder
                .AddMount(new BindMount(workspace.FullName, "/mnt", MountFlags.ReadOnly))
                .WithCommand(Path.Combine(dotnet, "dotnet"), "exec", "program.dll")
                .WithOutputMax(ByteSize.FromKibibytes(64))
                .CaptureAsync();
            Console.Write(output.StandardOutput);
            Console.WriteLine(output.Result);
        }
        finally
        {
            workspace.Delete(recursive: true);
        }
    }
}
