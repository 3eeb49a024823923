using Isolation.Linux;
using Isolation.Security;

namespace Isolation.Kernel.Tests.Security;

/// <summary>A program that restricts itself, with threads at work:
/// each forbidden thing is tried from a pool thread, a new thread and a child.</summary>
public class SandboxTests
{
    private static (int Code, string[] Lines) RunVictim(string mode, string directory)
    {
        string victim = Path.Combine(AppContext.BaseDirectory, "Isolation.Testing.Victim.dll");
        Assert.SkipUnless(Path.GetFileName(Environment.ProcessPath) == "dotnet" && File.Exists(victim), "needs dotnet and the victim");
        (int code, string output) = Host.Run(Environment.ProcessPath!, victim, mode, directory);
        return (code, output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public void The_whole_program_is_restricted_by_executing_it_anew()
    {
        Assert.SkipUnless(Landlock.Abi >= 1, "needs Landlock");
        using var directory = new TemporaryDirectory();
        File.SetUnixFileMode(directory.Path, (UnixFileMode)0b111_111_111);
        directory.Write("secret/file", "x");
        directory.Make("scratch");
        File.SetUnixFileMode(Path.Combine(directory.Path, "scratch"), (UnixFileMode)0b111_111_111);
        (int code, string[] lines) = RunVictim("--sandbox-anew", directory.Path);
        string all = string.Join('\n', lines);
        Assert.True(code == 0, all);
        Assert.Contains("complete for all threads", all);
        foreach (string who in new[] { "first thread", "pool thread", "new thread", "child" })
        {
            Assert.Contains($"{who}: allowed write works", all);
            foreach (string what in new[] { "read of a secret", "write beside", "socket", "mount" })
                Assert.Contains($"{who}: {what} refused", all);
        }
    }

    [Fact]
    public void The_running_program_is_restricted_as_far_as_the_kernel_can_and_the_report_says_how_far()
    {
        using var directory = new TemporaryDirectory();
        directory.Write("secret/file", "x");
        directory.Make("scratch");
        (int code, string[] lines) = RunVictim("--sandbox-here", directory.Path);
        string all = string.Join('\n', lines);
        Assert.True(code == 0, all);
        Assert.Contains("seccomp: all threads", all);
        Assert.Contains("no_new_privs: all threads", all);
        foreach (string who in new[] { "first thread", "pool thread", "new thread", "child" })
        {
            Assert.Contains($"{who}: socket refused", all);
            Assert.Contains($"{who}: mount refused", all);
        }

        // What began on the restricted thread is restricted by Landlock; what was there before only where the kernel can.
        if (Landlock.Abi > 0)
        {
            Assert.Contains("first thread: read of a secret refused", all);
            Assert.Contains("new thread: read of a secret refused", all);
        }

        // Main's thread has dropped its capabilities; the runtime's others, which had root's, keep theirs.
        if (Host.IsRoot)
        {
            Assert.Contains("capabilities: the calling thread and what it starts", all);
            Assert.Matches("not covered: [0-9]+ of [0-9]+ threads that were there before .* have capabilities still", all);
        }
        else
        {
            Assert.Contains("capabilities: all threads", all);
        }

        if (Landlock.Abi is > 0 and < 8)
        {
            Assert.Contains("not covered: Landlock does not restrict threads that were there before", all);
            Assert.Contains("earlier thread: read of a secret works", all);
        }
    }

    [Fact]
    public void Filters_that_a_thread_has_for_itself_keep_all_from_being_restricted_together()
    {
        (int code, string[] lines) = RunVictim("--thread-filter", "/tmp");
        string all = string.Join('\n', lines);
        Assert.True(code == 0, all);
        Assert.Contains("ESRCH", all);
        Assert.Contains("(\"odd one\")", all);
    }
}
