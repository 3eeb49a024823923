using System.Text.RegularExpressions;
using Isolation.Launcher;

namespace Isolation.Kernel.Tests;

/// <summary>Whatever a flag or a command is given: a plan, or one line that names the flag,
/// and docker's exit code for the tool's own errors.</summary>
public partial class LauncherValueTests
{
    private static readonly string[] s_values =
    [
        "", " ", "x", "-1", "0", "1", "500", "99999999999", "999999999999999999999", "1e400", "NaN", "0x10", "1.2.3", "1:2:3:4", "a:b",
        "a=b", "=", ":", "::", ",", "a,b", "*",
        "/", "/nope", "/nope:/nope", "/nope:1", "/dev/null:0", "/dev/null:/dev/null:x", "/a:/b:rw", "relative", "../..", "/../..",
        "no\0nul", "new\nline", "\u001b[31mred", "\ud800",
        new('x', 5000), string.Concat(Enumerable.Repeat("/d", 3000)), "max", "none", "host", "lock", "hosts", "container:", "container:0",
        "container:-5", "container:999999999", "container:no-such",
        "1.2.3.4", "fe80::1%eth9", "300.1.1.1", "1.2.3.4/99", "70000:70000", "80:80/xyz", "1.2.3.4:x:80", "ff:ff:ff:ff:ff:ff", "10tbit",
        "0bit", "-5mbit", "macvlan:", "link:", "link:lo:x",
        "ipvlan:a:b:c:d", "nofile=2:1", "core=-1", "nosuch=1", "0:1:2", "0:0:0", "0:4294967295:2", "c 1:x r", "q 1:1 r", "0-", "5-1",
        "0-99999", "kernel.core_pattern=x", "net..x=1",
        "seccomp=/dev/zero", "seccomp=/nope", "seccomp=/", "seccomp=/etc/passwd", "landlock=x", "landlock=ro:relative",
        "landlock=bind:70000", "label=level:", "label=x", "apparmor=\n", "/x:size=-1",
        "/x:mode=99", "/x:size=9999999999999g", "99999999999t", "1.5.5g",
    ];

    [Fact]
    public void No_value_of_a_flag_of_run_is_more_than_one_line_that_names_it()
    {
        // The table is the program's own: a new flag is tried by itself.
        Assert.True(RunFlags.All.Length > 50);
        var wrong = new List<string>();
        foreach (Flag flag in RunFlags.All)
        {
            foreach (string name in flag.Names.Split(' '))
            {
                foreach (string value in flag.Value is null ? [""] : s_values)
                {
                    // Nothing is started.
                    string[] arguments = flag.Value is null ? ["run", "--plan", name, "true"] : ["run", "--plan", name, value, "true"];
                    if (Judge(arguments, name, mayPlan: true) is { } fault)
                        wrong.Add(fault);
                }
            }

            if (flag.Value is not null && Judge(["run", flag.Names.Split(' ')[0]], flag.Names.Split(' ')[0], mayPlan: false) is { } missing)
                wrong.Add(missing);
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [Fact]
    public void No_value_of_a_limit_to_update_is_more_than_one_line()
    {
        string[] wrong = [.. from flag in ResourceOptions.Flags from value in s_values
            let fault = Judge(["update", flag.Names.Split(' ')[0], value, "no-such-container"], null, false)
            where fault is not null select fault];
        Assert.True(wrong.Length == 0, string.Join('\n', wrong));
    }

    [Theory]
    [InlineData("run")]
    [InlineData("")]
    [InlineData("frobnicate")]
    [InlineData("stats", "--no-stream", "*")]
    [InlineData("top", "*")]
    [InlineData("pause", "*")]
    [InlineData("unpause", "*")]
    [InlineData("update", "*")]
    [InlineData("update", "--memory", "1g", "*")]
    [InlineData("inspect", "*")]
    [InlineData("doctor", "*")]
    [InlineData("learn", "--runs", "*")]
    [InlineData("learn", "--format", "*")]
    [InlineData("learn", "--no-such-flag", "*")]
    [InlineData("seccomp", "*")]
    [InlineData("seccomp", "compile", "*")]
    [InlineData("seccomp", "compile", "default", "--arch", "*")]
    [InlineData("seccomp", "compile", "default", "--cap", "*", "-o", "/")]
    [InlineData("seccomp", "compile", "default", "-o", "/nope/*")]
    [InlineData("seccomp", "explain", "*")]
    [InlineData("seccomp", "explain", "default", "x*")]
    [InlineData("seccomp", "explain", "default", "read", "*", "x")]
    [InlineData("seccomp", "disasm", "*")]
    [InlineData("network", "*")]
    [InlineData("network", "inspect", "*")]
    [InlineData("network", "rm", "*")]
    [InlineData("network", "create", "--subnet", "*")]
    [InlineData("network", "create", "--subnet-v6", "*")]
    [InlineData("network", "create", "--mtu", "*")]
    [InlineData("network", "create", "--no-such-flag", "*")]
    public void No_argument_of_a_command_is_more_than_one_line(params string[] command)
    {
        string[] wrong = [.. s_values.Where(v => v is not ("1" or "*"))
            .Select(v => Judge([.. command.Select(c => c.Replace("*", v))], null, mayPlan: false)).OfType<string>()];
        Assert.True(wrong.Length == 0, string.Join('\n', wrong));
    }

    [Theory]
    [InlineData("--device-read-bps", "/nope:1", "ENOENT")]
    [InlineData("--cpu-quota", "500", "microseconds from 1000")]
    [InlineData("--cpu-shares", "99999999999", "not a number from 2 to 262144")]
    [InlineData("--hostname", "", "must be 1 to 64 bytes")]
    [InlineData("-w", "relative", "must be an absolute path")]
    [InlineData("--memory-swap", "1g", "needs --memory")]
    [InlineData("--security-opt", "seccomp=/dev/zero", "larger than [0-9]+ MiB")]
    public void The_reason_is_told(string flag, string value, string reason)
    {
        (int code, _, string errors) = Run("run", "--plan", flag, value, "true");
        Assert.Equal(125, code);
        Assert.Matches($"^isolation: The flag {flag}.*({reason}).*\n$", errors);
    }

    [Fact]
    public void Of_several_flags_those_are_named_that_are_at_fault()
    {
        (_, _, string errors) = Run("run", "--plan", "--read-only", "--hostname", new string('h', 65), "--env", "A=1", "-w", "x", "true");
        Assert.Matches("^isolation: The flags --hostname and -w: The container cannot be built: process.cwd: .*; hostname: .*\n$", errors);
    }

    /// <summary>What is wrong with an answer; null where nothing is.</summary>
    private static string? Judge(string[] arguments, string? flag, bool mayPlan)
    {
        string shown = string.Join(' ', arguments.Select(a => a.Length > 40 ? a[..40] + "..." : a)).Replace("\n", "\\n")
            .Replace("\0", "\\0");
        (int code, string output, string errors) = Run(arguments);
        if (code == 0 && mayPlan)
            return output.Contains("execute \"true\"") || flag == "--times" ? null : $"{shown}: no plan: {output}";
        string[] lines = errors.Split('\n');
        return code != 125 ? $"{shown}: exit code {code}: {output}{errors}"
            : lines.Length != 2 || lines[1].Length != 0 || !lines[0].StartsWith("isolation: ", StringComparison.Ordinal)
                ? $"{shown}: not one line: {errors}"
            : flag is not null && !Regex.IsMatch(lines[0], $"(?<![-a-z]){Regex.Escape(flag)}(?![-a-z])")
                ? $"{shown}: the flag is not named: {errors}"
            : ResourceKey().IsMatch(lines[0]) || lines[0].Contains("   at ") || lines[0].Contains("Exception")
                || lines[0].Contains("a fault of this program")
                ? $"{shown}: {errors}"
            : lines[0].Any(char.IsControl) ? $"{shown}: control characters"
            : null;
    }

    /// <summary>Names of the runtime's texts, as they are shown where the texts were left out:
    /// <c>ArgumentOutOfRange_Generic</c>, <c>dns_bad_ip_address</c>.</summary>
    [GeneratedRegex("\\b(Arg|Argument[A-Za-z]*|Format|IO|Overflow|net|dns|InvalidOperation|UnauthorizedAccess|ObjectDisposed)_[A-Za-z_]+")]
    private static partial Regex ResourceKey();

    // In this process, since a start of the runtime for each would take minutes; the tests do not run beside each other.
    private static (int Code, string Output, string Errors) Run(params string[] arguments)
    {
        using StringWriter newOutput = new(), newErrors = new();
        try
        {
            StandardStreams.Output = newOutput;
            StandardStreams.Error = newErrors;
            return (Program.RunAsync(arguments).GetAwaiter().GetResult(), newOutput.ToString(), newErrors.ToString());
        }
        finally
        {
            StandardStreams.Output = null;
            StandardStreams.Error = null;
        }
    }
}
