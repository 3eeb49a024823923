using System.Net.Sockets;
using Isolation.Security;

namespace Isolation.Cookbook;

/// <summary>Takes rights away from this program itself, which needs no privilege and no container.</summary>
internal static class RestrictThisProcess
{
    internal static async Task Main(string[] arguments)
    {
        // First thing in Main: the program is executed anew, so that no thread is left unrestricted. It returns in the new program.
        string scratch = Path.GetFullPath(arguments.ElementAtOrDefault(0) ?? "scratch");
        Directory.CreateDirectory(scratch);
        SandboxReport report = Sandbox.RestrictByReexecuting(s => s.Runtime().Write(scratch).Seccomp(SeccompFilter.DotNet).DropAll());
        // What this kernel's Landlock cannot restrict, the report says as well: report.NotCovered.
        Console.WriteLine($"Landlock: {report.Landlock}, seccomp: {report.Seccomp}, capabilities: {report.Capabilities}");

        await File.WriteAllTextAsync(Path.Combine(scratch, "file"), "allowed");
        Console.WriteLine("write to scratch: allowed");
        try
        {
            await File.WriteAllTextAsync(scratch + ".beside", "refused");
        }
        catch (UnauthorizedAccessException)
        {
            Console.WriteLine("write beside it: refused");
        }

        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync("127.0.0.1", 80);
        }
        catch (SocketException e)
        {
            Console.WriteLine($"connect: {e.SocketErrorCode}");
        }
    }
}
