using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;

namespace Isolation.Kernel.Tests;

/// <summary>Each recipe of docs/cookbook is run as its reader would run it, and writes what its page shows.</summary>
public class CookbookTests
{
    [Fact]
    public void Output_and_exit_code_are_captured_within_limits() => AssertWrites("CaptureWithLimits", "capture-with-limits");

    [Fact]
    public void Lines_are_read_while_the_program_runs() => AssertWrites("StreamLines", "stream-lines");

    [Fact]
    public void A_program_reads_a_text_and_a_stream() => AssertWrites("FeedStandardInput", "feed-standard-input");

    [Fact]
    public void Nobody_works_in_a_copy()
    {
        if (!Host.IsRoot)
            Box.NeedsRanges();
        AssertWrites("RunAsNobody", "run-as-nobody");
    }

    [Fact]
    public void A_program_without_network_reaches_nothing()
    {
        Host.NeedsTool("bash");
        AssertWrites("DenyNetwork", "deny-network");
    }

    [Fact]
    public void One_destination_is_reached_and_another_is_not()
    {
        Host.NeedsTool("bash");
        IPAddress? address = NetworkInterface.GetAllNetworkInterfaces().Where(i => i.OperationalStatus == OperationalStatus.Up)
            .SelectMany(i => i.GetIPProperties().UnicastAddresses).Select(a => a.Address)
            .FirstOrDefault(a => a.AddressFamily == AddressFamily.InterNetwork && !IPAddress.IsLoopback(a));
        Assert.SkipWhen(address is null, "needs an IPv4 address of the host that is not of its loopback");
        using var listener = new TcpListener(address, 0);
        listener.Start();
        string allowed = listener.LocalEndpoint.ToString()!;
        string[] lines = Run("AllowOneHost", allowed, NetworkName("one"));
        Assert.Equal(2, lines.Length);
        // A user-mode stack gives the container the host's own address, which is itself then.
        if (Host.IsRoot)
            Assert.Equal($"{allowed}: connected", lines[0]);
        Assert.Equal(Output("allow-one-host")[1], lines[1]);
    }

    [Fact]
    public void A_csharp_program_is_compiled_and_run()
    {
        NeedsSdk();
        AssertWrites("RunCSharp", "run-csharp");
    }

    [Fact]
    public void A_csharp_program_with_a_fault_is_refused_by_the_compiler()
    {
        NeedsSdk();
        Assert.StartsWith("program.cs(1,1): error CS0103:", Assert.Single(Run("RunCSharp", "nonsense();")));
    }

    [Fact]
    public void Submissions_are_judged() => AssertWrites("Judge", "judge");

    [Fact]
    public void A_file_is_converted()
    {
        Host.NeedsTool("iconv");
        AssertWrites("ConvertFile", "convert-file");
    }

    [Fact]
    public void The_limit_that_fired_is_told()
    {
        string[] lines = Run("WhichLimitFired");
        string[] expected = Output("which-limit-fired");
        Assert.Equal(expected[..4], lines[..4]);
        Assert.SkipWhen(!Host.IsRoot && lines[4].Contains("This host cannot provide", StringComparison.Ordinal), lines[4]);
        Assert.Equal(expected[4..], lines[4..]);
    }

    [Fact]
    public void Containers_are_listed_frozen_stopped_and_killed() => AssertWrites("ListAndStop", "list-and-stop");

    [Fact]
    public void A_container_joins_another() => AssertWrites("JoinNamespaces", "join-namespaces");

    [Fact]
    public void A_published_port_leads_to_its_container()
    {
        Host.NeedsTool("socat");
        AssertWrites("PublishPort", "publish-port", NetworkName("pub"));
    }

    [Fact]
    public void A_program_restricts_itself()
    {
        Assert.SkipUnless(Isolation.Security.Landlock.Abi >= 4, "needs Landlock ABI 4 (Linux 6.7), which restricts TCP");
        using var directory = new TemporaryDirectory();
        AssertWrites("RestrictThisProcess", "restrict-this-process", Path.Combine(directory.Path, "scratch"));
    }

    [Fact]
    public async Task A_hardened_service_serves_and_reads_no_other_file()
    {
        Assert.SkipUnless(Directory.Exists(Path.Combine(Shared, "Microsoft.AspNetCore.App")), "needs the ASP.NET runtime");
        Assert.SkipUnless(Isolation.Security.Landlock.Abi >= 1, "needs Landlock");
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        int port = ((IPEndPoint)probe.LocalEndpoint).Port;
        probe.Stop();
        using var service = new Process
        {
            StartInfo = new ProcessStartInfo(Host.Dotnet,
                [Path.Combine(AppContext.BaseDirectory, "Isolation.HardenedService.dll"), port.ToString(CultureInfo.InvariantCulture)])
            { RedirectStandardOutput = true },
        };
        service.Start();
        try
        {
            var seen = new List<string>();
            while (await service.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken) is { } line)
            {
                seen.Add(line);
                if (line.Contains("Application started", StringComparison.Ordinal))
                    break;
            }

            _ = service.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            Assert.Contains(seen, l => l.Contains("Now listening on", StringComparison.Ordinal));
            using var client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
            Assert.Equal(Output("harden-a-service").Single(), await client.GetStringAsync("/", TestContext.Current.CancellationToken));
            using HttpResponseMessage refused =
                await client.GetAsync("/read?path=/etc/hostname", TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
            Assert.True(File.Exists("/etc/hostname"));
        }
        finally
        {
            service.Kill();
            await service.WaitForExitAsync(TestContext.Current.CancellationToken);
        }
    }

    private static string Shared => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "../.."));

    private static void NeedsSdk() => Assert.SkipUnless(Directory.Exists(Path.Combine(Shared, "../sdk")), "needs the .NET SDK");

    // Runs overlap, and the names of links are the host's.
    private static string NetworkName(string recipe) =>
        string.Create(CultureInfo.InvariantCulture, $"{recipe}{Environment.ProcessId % 100_000:d5}");

    private static void AssertWrites(string recipe, string page, params string[] arguments) =>
        Assert.Equal(Output(page), Run(recipe, arguments));

    /// <summary>What a page says that its program writes: its one block of text.</summary>
    private static string[] Output(string page)
    {
        string[] blocks = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "cookbook", page + ".md")).Split("```text\n");
        Assert.Equal(2, blocks.Length);
        return blocks[1][..blocks[1].IndexOf("```", StringComparison.Ordinal)].Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>Runs a recipe; where the host refuses an ordinary user what the recipe needs, its own words are why the test is
    /// skipped.</summary>
    private static string[] Run(string recipe, params string[] arguments)
    {
        (int code, string output) = Host.Run(Host.Dotnet,
            [Path.Combine(AppContext.BaseDirectory, "Isolation.Cookbook.dll"), recipe, .. arguments]);
        string[] lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        string? refusal = lines.FirstOrDefault(l => l.Contains("Exception: This host cannot provide", StringComparison.Ordinal)
            || l.Contains("This user may not open /dev/net/tun", StringComparison.Ordinal));
        Assert.SkipWhen(code != 0 && refusal is not null && (!Host.IsRoot || Host.IsEmulated), refusal ?? "");
        Assert.True(code == 0, output);
        return lines;
    }
}
