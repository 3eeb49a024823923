using System.Diagnostics;

namespace Isolation.Kernel.Tests;

/// <summary>The command line with streams that end early, are closed or full, and on hosts that lack something.</summary>
public class LauncherStreamTests
{
    private static readonly string s_launcher = $"timeout 20 dotnet {Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll")}";

    private static (int Code, string Output) Shell(string script)
    {
        Host.NeedsTool("bash");
        return Host.Run("bash", "-c", script.Replace("LAUNCHER", s_launcher));
    }

    [Theory]
    [InlineData("", "")]
    // the terminal's echo, and the program's own; termios(3), VEOF: the first only hands over an unfinished line
    [InlineData("abc", "abcabc")]
    [InlineData("abc\\n", "abcabc")]
    [InlineData("one\\ntwo", "onetwoonetwo")]
    public void Input_that_ends_within_a_line_ends_for_a_program_with_a_terminal_too(string input, string expected)
    {
        (int code, string output) = Shell($"printf '{input}' | LAUNCHER run -t cat");
        Assert.Equal(0, code);
        Assert.Equal(expected.Order(), output.Where(char.IsLetter).Order());
    }

    [Theory]
    [InlineData("LAUNCHER run sh -c 'yes; exit $?' | head -n 1")]
    [InlineData("LAUNCHER run -t yes | head -n 1")]
    [InlineData("LAUNCHER stats | head -n 1")]
    [InlineData("{ sleep 0.5; LAUNCHER run --plan true; } | true")]
    [InlineData("{ sleep 0.5; LAUNCHER help; } | true")]
    public void A_reader_that_goes_away_ends_it_as_sigpipe_would(string pipeline)
    {
        // signal(7): 13; a shell shows 128 + 13, as it does for bwrap.
        (_, string output) = Shell(pipeline + "; echo \"code ${PIPESTATUS[0]}\"");
        Assert.EndsWith("code 141\n", output);
        Assert.DoesNotContain("isolation:", output);
    }

    [Theory]
    [InlineData("<&-")]
    [InlineData(">&-")]
    [InlineData("2>&-")]
    [InlineData("<&- >&-")]
    [InlineData("<&- >&- 2>&-")]
    [InlineData("< /")]
    public void Closed_streams_are_no_crash_and_no_hang(string streams)
    {
        foreach (string flags in new[] { "run -t", "run" })
        {
            (_, string output) = Shell($"(LAUNCHER {flags} sh -c 'exit 7' {streams}); echo \"code $?\"");
            Assert.True(output.EndsWith("code 7\n", StringComparison.Ordinal) || output.EndsWith("code 125\n", StringComparison.Ordinal),
                flags + ": " + output);
            Assert.DoesNotContain("Unhandled", output);
        }
    }

    [Theory]
    [InlineData("LAUNCHER run --frobnicate true 2> /dev/full", 125)]
    [InlineData("LAUNCHER run no-such-command 2> /dev/full", 127)]
    [InlineData("LAUNCHER run --times sh -c 'exit 7' 2> /dev/full", 7)]
    [InlineData("LAUNCHER run --plan true > /dev/full", 125)]
    [InlineData("LAUNCHER run -t yes > /dev/full", 125)]
    public void Full_disks_are_no_crash(string command, int expected)
    {
        (int code, string output) = Shell(command);
        Assert.True(expected == code, $"{code}: {output}");
        Assert.DoesNotContain("Unhandled", output);
        if (command.Contains("> /dev/full") && !command.Contains("2>"))
            Assert.Equal("isolation: Cannot write standard output: write(2) failed with ENOSPC (no space left).\n", output);
    }

    [Fact]
    public async Task Names_that_a_container_chooses_do_not_reach_the_terminal_as_they_are()
    {
        Cgroups.ContainerLimitTests.NeedsOwnCgroup();
        Host.NeedsTool("bash");
        string name = $"names{Environment.ProcessId}";
        string[] arguments = [Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll"), "run", "--name", name, "--", "bash", "-c",
            "echo up; exec -a $'\\e]0;owned\\a\\nPID 1' sleep 100"];
        using Process process = Process.Start(new ProcessStartInfo(Host.Dotnet, arguments) { RedirectStandardOutput = true })!;
        try
        {
            Assert.Equal("up", await process.StandardOutput.ReadLineAsync());
            string output = "";
            // A moment passes until the shell has become that.
            for (int i = 0; i < 50 && !output.Contains("sleep 100") && !output.Contains("PID 1 100"); i++)
                output = Shell($"LAUNCHER top {name}").Output;
            Assert.Contains("\\x1b]0;owned\\x07\\nPID 1 100\n", output);
            Assert.DoesNotContain(output, c => c != '\n' && char.IsControl(c));
        }
        finally
        {
            process.Kill();
        }
    }
}
