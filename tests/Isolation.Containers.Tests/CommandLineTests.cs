using System.Diagnostics;
using Isolation.Launcher;
using Isolation.Linux;

namespace Isolation.Containers.Tests;

/// <summary>How the launcher reads words. The rules are those of docker, whose parser is Go's pflag: "Command line flag syntax" of its
/// documentation, and <c>SetInterspersed(false)</c> for docker run.</summary>
public class CommandLineTests
{
    private static CommandLine Read(string command, params string[] words) =>
        CommandLine.Parse(Commands.All.Single(c => c.Words == command), words);

    private static string Show(CommandLine line) =>
        string.Join(' ', line.Given.Select(g => $"{g.Name}={g.Value}")) + " | " + string.Join(' ', line.Operands);

    [Theory]
    [InlineData("-m64m true", "-m=64m | true")]
    [InlineData("-m=64m true", "-m=64m | true")]
    [InlineData("-m 64m true", "-m=64m | true")]
    [InlineData("--memory=64m true", "--memory=64m | true")]
    [InlineData("--memory 64m true", "--memory=64m | true")]
    [InlineData("-it true", "-i=true -t=true | true")]
    [InlineData("-itm64m true", "-i=true -t=true -m=64m | true")]
    [InlineData("-itm 64m true", "-i=true -t=true -m=64m | true")]
    [InlineData("-it=false true", "-i=true -t=false | true")]
    [InlineData("-eA=1 -e=B=2 -e C=3 --env=D=4 true", "-e=A=1 -e=B=2 -e=C=3 --env=D=4 | true")]
    [InlineData("--rm=true --init=F --tty=1 true", "--rm=true --init=false --tty=true | true")]
    [InlineData("sh -c X", " | sh -c X")]
    [InlineData("-i sh -m64m --nope", "-i=true | sh -m64m --nope")]
    [InlineData("-- -odd --name", " | -odd --name")]
    [InlineData("sh -- x", " | sh -- x")]
    [InlineData("-m -1 true", "-m=-1 | true")]
    [InlineData("- true", " | - true")]
    public void Words_of_run_are_read_as_docker_reads_them(string words, string expected) =>
        Assert.Equal(expected, Show(Read("run", words.Split(' '))));

    [Theory]
    [InlineData("update", "one -m64m two --cpus=1", "-m=64m --cpus=1 | one two")]
    [InlineData("stats", "a --no-stream b -- --c", "--no-stream=true | a b --c")]
    [InlineData("seccomp explain", "default read --arch x86_64 -1 0x10", "--arch=x86_64 | default read -1 0x10")]
    [InlineData("learn", "-qo out --format=cs -m64m sh -q", "-q=true -o=out --format=cs -m=64m | sh -q")]
    public void Flags_of_other_commands_may_stand_anywhere(string command, string words, string expected) =>
        Assert.Equal(expected, Show(Read(command, words.Split(' '))));

    [Theory]
    [InlineData("run", "--frobnicate true", "There is no flag --frobnicate.")]
    [InlineData("run", "-iz true", "There is no flag -z.")]
    [InlineData("run", "-i=maybe true", "The flag -i: \"maybe\" is neither true nor false.")]
    [InlineData("run", "--read-only= true", "The flag --read-only: \"\" is neither true nor false.")]
    [InlineData("run", "-im", "The flag -m needs a value: SIZE.")]
    [InlineData("run", "-d true", "The flag -d is known but not built yet: this version has no images and the daemon.")]
    [InlineData("stats", "--all", "There is no flag --all; there is --no-stream.")]
    [InlineData("top", "--all x", "There is no flag --all; top has none.")]
    [InlineData("seccomp compile", "--all x", "There is no flag --all; there are --arch, --cap and --output.")]
    public void What_is_wrong_is_told_with_the_flag(string command, string words, string expected) =>
        Assert.Equal(expected, Assert.Throws<UsageException>(() => Read(command, words.Split(' '))).Message);

    [Theory]
    [InlineData("--rm=false", "The flag --rm: nothing is ever left behind")]
    [InlineData("--read-only=false -m12x", "The flag -m: ")]
    public void A_value_that_is_refused_is_told_with_its_flag(string words, string expected) =>
        Assert.StartsWith(expected, Assert.Throws<UsageException>(() => RunOptions.From(Read("run", words.Split(' ')))).Message);

    [Fact]
    public void Limits_of_time_and_output_are_the_librarys()
    {
        ContainerSpec Parse(params string[] words) => RunFlags.Parse([.. words, "true"]).ToBuilder(HostFacts.Current).Build().Spec;
        ContainerSpec spec = Parse("--cpu-time-max", "2.5", "--output-max", "1m");
        Assert.Equal(TimeSpan.FromSeconds(2.5), spec.CpuTimeMax);
        Assert.Equal(ByteSize.FromMebibytes(1), spec.OutputMax);
        Assert.Null(Parse("--output-max", "max").OutputMax);
        // A terminal's output is not counted.
        Assert.Throws<SpecException>(() => Parse("--output-max", "1m", "-t"));
    }

    [Theory]
    [InlineData("--version")]
    [InlineData("-v")]
    [InlineData("version")]
    public async Task The_version_is_that_of_the_packages(string word)
    {
        using var output = new StringWriter();
        StandardStreams.Output = output;
        try
        {
            Assert.Equal(0, await Program.RunAsync([word]));
        }
        finally
        {
            StandardStreams.Output = null;
        }

        Assert.Matches(@"^isolation [0-9]+\.[0-9]+\.[0-9]+(-[0-9a-z.]+)?\n$", output.ToString());
    }

    [Fact]
    public void The_last_of_two_switches_holds()
    {
        RunOptions Parse(params string[] words) => RunFlags.Parse([.. words, "true"]);
        Assert.False(Parse("--read-only", "--read-only=false").ReadOnly);
        Assert.True(Parse("-t=0", "-t").Terminal);
        Assert.False(Parse("-i=false").Interactive);
        Assert.True(Parse().Interactive);
    }

    [Theory]
    [InlineData("80", null, 80, PortProtocol.Tcp)]
    [InlineData(":80", null, 80, PortProtocol.Tcp)]
    [InlineData("53/udp", null, 53, PortProtocol.Udp)]
    [InlineData("127.0.0.1::80", "127.0.0.1", 80, PortProtocol.Tcp)]
    [InlineData("[::1]::80/tcp", "::1", 80, PortProtocol.Tcp)]
    public void A_port_alone_is_the_containers_and_the_hosts_is_a_free_one(string text, string? address, int inside, PortProtocol protocol)
    {
        // docker-container-run(1), --publish: a host port that is left out is a random one.
        NetworkOptions options = RunFlags.Parse(["-p", text, "-p", "8080:80", "-p7000-7001", "true"]).Network;
        Assert.Equal(3, options.ChosenPorts.Length);
        PublishedPort port = options.ChosenPorts[0];
        Assert.Equal((address, inside, 1, protocol), (port.HostAddress?.ToString(), port.ContainerPort, port.Count, port.Protocol));
        string[] range = File.ReadAllText("/proc/sys/net/ipv4/ip_local_port_range")
            .Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        Assert.All(options.ChosenPorts, p => Assert.InRange(p.HostPort, int.Parse(range[0]), int.Parse(range[1])));
        Assert.Equal([7000, 7001], options.ChosenPorts[1..].Select(p => (int)p.ContainerPort));
        Assert.Equal(3, options.ChosenPorts.Select(p => p.HostPort).Distinct().Count());
    }

    [Fact]
    public void No_name_stands_for_two_flags_of_a_command()
    {
        foreach (Command command in Commands.All)
            Assert.Equal([], command.Flags.SelectMany(f => f.AllNames).GroupBy(n => n).Where(g => g.Count() > 1)
                .Select(g => $"{command.Words} {g.Key}"));
        Assert.All(Commands.All.SelectMany(c => c.Flags).SelectMany(f => f.AllNames), n =>
            Assert.Matches("^(-[a-zA-Z]|--[a-z0-9-]{2,})$", n));
    }

    [Fact]
    public void Every_command_has_help_with_each_of_its_flags()
    {
        foreach (Command command in Commands.All)
        {
            Assert.True(Read(command.Words, "--help").AsksForHelp);
            string help = CommandHelp.Of(command);
            Assert.StartsWith($"isolation {command.Words}", help);
            Assert.All(help.Split('\n'), l => Assert.True(l.Length <= 140 || l.StartsWith("  -", StringComparison.Ordinal), l));
            foreach (string name in command.Flags.Where(f => f is not RefusedFlag).SelectMany(f => f.AllNames))
                Assert.Matches($"(?m)^  (.*, )?{name}[, \n]", help);
        }
    }

    [Fact]
    public void The_page_of_the_documentation_is_up_to_date()
    {
        Assert.SkipWhen(Host.SourceTree is null, "needs the source tree");
        string path = Path.Combine(Host.SourceTree!, "docs", "launcher.md");
        if (Environment.GetEnvironmentVariable("ISOLATION_UPDATE_GOLDEN") == "1")
            File.WriteAllText(path, CommandHelp.Page());
        Assert.Equal(CommandHelp.Page(), File.ReadAllText(path));
    }

    [Fact]
    public void Bash_completes_words_from_the_table()
    {
        Host.NeedsTool("bash");
        // What bash itself does when a user presses TAB: complete(1) in bash(1), COMP_LINE, COMP_POINT and COMP_WORDS.
        string launcher = Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll");
        (string Words, string Expected)[] cases =
        [
            ("isolation net", "network"),
            ("isolation network ", "create inspect ls rm"),
            ("isolation run --net-e", "--net-egress"),
            ("isolation run --rm --userns ", "auto host"),
            ("isolation run --userns = h", "host"),
            ("isolation run --cap-add NET_", "NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW"),
            ("isolation run --security-opt secc", "seccomp-report= seccomp="),
            ("isolation run -v /etc/hostn", "/etc/hostname"),
            ("isolation run --rm cat /etc/hostn", "/etc/hostname"),
            ("isolation run --rm base64", "base64"),
            ("isolation seccomp compile --o", "--output"),
            ("isolation completion ", "bash fish zsh"),
            ("isolation stats --no", "--no-stream"),
        ];
        var script = new System.Text.StringBuilder($"isolation() {{ dotnet {launcher} \"$@\"; }}; source <(isolation completion bash)\n");
        foreach ((string words, _) in cases)
        {
            string[] list = words.Split(' ');
            string line = words.Replace(" = ", "=");
            script.Append($"COMP_WORDS=({string.Join(' ', list.Select(w => $"'{w}'"))}); COMP_CWORD={list.Length - 1}; ")
                .Append($"COMP_LINE='{line}'; COMP_POINT={line.Length}\n")
                .Append("COMPREPLY=(); compopt() { :; }; _isolation; echo $(printf '%s\\n' \"${COMPREPLY[@]}\" | sort -u)\n");
        }

        using Process bash = Process.Start(new ProcessStartInfo("bash",
            ["--norc", "-c", script.ToString()])
        { RedirectStandardOutput = true, Environment = { ["LC_ALL"] = "C" } })!;
        string[] output = bash.StandardOutput.ReadToEnd().TrimEnd('\n').Split('\n');
        bash.WaitForExit();
        Assert.Equal(cases.Select(c => $"{c.Words}: {c.Expected}"), cases.Zip(output, (c, o) => $"{c.Words}: {o}"));
    }
}
