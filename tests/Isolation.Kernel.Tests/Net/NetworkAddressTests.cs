namespace Isolation.Kernel.Tests.Net;

/// <summary>Which addresses containers and ports get, and which are refused.</summary>
public class NetworkAddressTests
{
    /// <summary>docker-run(1), "-p": 0.0.0.0 is every IPv4 address, [::] every IPv6 address, and nothing given is both.</summary>
    [Fact]
    public void A_port_on_all_addresses_of_one_family_leads_from_that_family_alone()
    {
        Testing.Host.NeedsRoot();
        Testing.Host.NeedsTool("socat");
        using var host = new NetworkHost();
        const string Serve = "socat TCP6-LISTEN:80,fork,reuseaddr,ipv6only=0 SYSTEM:'echo hello' & ";
        using NetworkHost.Running container = host.StartReady(["--network", "web", "-p", "0.0.0.0:8084:80", "-p", "[::]:8086:80", "-p",
            "8080:80"], Serve + NetworkHost.ReadyWhenBound(0));
        string[] clients = [$"TCP4:{NetworkHost.HostAddress}", $"TCP6:[{NetworkHost.HostV6}]"];
        string Answers(TestNetwork from, string[] addresses, int port) =>
            string.Join(' ', addresses.Select(c => NetworkHost.Ask(from, $"{c}:{port}") == "hello" ? "hello" : "-"));
        for (int i = 0; i < 100 && Answers(host.World, clients, 8080) != "hello hello"; i++)
            Thread.Sleep(50);
        Assert.Equal("hello hello", Answers(host.World, clients, 8080));
        Assert.Equal("hello -", Answers(host.World, clients, 8084));
        Assert.Equal("- hello", Answers(host.World, clients, 8086));
        string[] loopback = ["TCP4:127.0.0.1", "TCP6:[::1]"];
        Assert.Equal("hello hello", Answers(host.Host, loopback, 8080));
        Assert.Equal("hello -", Answers(host.Host, loopback, 8084));
        Assert.Equal("- hello", Answers(host.Host, loopback, 8086));
        // the other family is free for others
        (int code, string output) = host.Launch("run", "--network", "web", "-p", "[::]:8084:80", "-p", "0.0.0.0:8086:80", "--", "true");
        Assert.True(code == 0, output);
        (code, output) = host.Launch("run", "--network", "web", "-p", "8084:80", "--", "true");
        Assert.True(code == 125 && output.Contains("has it.", StringComparison.Ordinal), output);
    }

    [Fact]
    public void A_program_of_the_host_on_one_address_of_either_family_is_noticed()
    {
        Testing.Host.NeedsRoot();
        Testing.Host.NeedsTool("socat");
        using var host = new NetworkHost();
        using NetworkHost.Running server = host.Serve(host.Host, $"TCP6-LISTEN:8080,bind=[{NetworkHost.HostV6}],fork,reuseaddr", "host");
        foreach (string port in new[] { "8080:80", "[::]:8080:80", $"[{NetworkHost.HostV6}]:8080:80", "8079-8081:79-81" })
        {
            (int code, string output) = host.Launch("run", "--network", "web", "-p", port, "--", "true");
            Assert.True(code == 125 && output.Contains("A program of the host listens there, on IPv6.", StringComparison.Ordinal),
                $"{port}: {output}");
        }

        foreach (string port in new[] { "0.0.0.0:8080:80", "[::1]:8080:80" })
        {
            (int code, string output) = host.Launch("run", "--network", "web", "-p", port, "--", "true");
            Assert.True(code == 0, $"{port}: {output}");
        }
    }

    [Fact]
    public void A_subnet_that_the_host_uses_already_is_refused()
    {
        Testing.Host.NeedsRoot();
        using var host = new NetworkHost();
        host.Host.Run("ip", "route", "add", "198.51.100.0/24", "via", NetworkHost.WorldAddress);
        host.Host.Run("ip", "route", "add", "10.0.0.0/8", "via", NetworkHost.WorldAddress);
        foreach ((string subnet, string has) in new[]
        {
            ("192.0.2.128/25", "192.0.2.1/24 of link \"up0\""), ("192.0.0.0/16", "192.0.2.1/24 of link \"up0\""),
                ("198.51.0.0/16", "a route to 198.51.100.0/24"), ("2001:db8::/64", "2001:db8::1/64 of link \"up0\""),
        })
        {
            (int code, string output) = host.Launch(["network", "create", .. subnet.Contains(':')
                ? ["--subnet", "172.16.0.0/24", "--subnet-v6"] : new[] { "--subnet" }, subnet, "n"]);
            Assert.True(code == 125 && output.Contains($"it has {has}", StringComparison.Ordinal), $"{subnet}: {output}");
        }

        // a part of a wider route is free, and what is free when it is made may be taken when it is used
        host.LaunchOutput("network", "create", "--subnet", "10.90.0.0/24", "n");
        host.LaunchOutput("run", "--network", "n", "--", "true");
        host.Host.Run("ip", "addr", "add", "10.90.0.77/24", "dev", "up0");
        (int refused, string text) = host.Launch("run", "--network", "n", "--", "true");
        Assert.True(refused == 125 && text.Contains("it has 10.90.0.77/24 of link \"up0\"", StringComparison.Ordinal), text);
        Assert.Equal("", host.Leftovers());
    }

    [Fact]
    public void Networks_of_any_size_give_every_address_that_they_have()
    {
        Testing.Host.NeedsRoot();
        using var host = new NetworkHost();
        string Addresses(params string[] flags) => string.Join(' ',
            host.LaunchOutput(["run", "--network", "big", .. flags, "--", "sh", "-c",
            "ip -o addr show eth0 | sed 's/.*inet6* //; s/ .*//'"])
            .Split('\n').Where(l => !l.StartsWith("fe80", StringComparison.Ordinal)));
        host.LaunchOutput("network", "create", "--subnet", "10.0.0.0/8", "--subnet-v6", "fd00:9::/112", "big");
        Assert.Equal("10.0.0.2/8 fd00:9::2/112", Addresses());
        // The number is more than the IPv6 network has: it gets another one there, and never one of another network.
        Assert.Equal("10.200.0.1/8 fd00:9::2/112", Addresses("--ip", "10.200.0.1"));
        Assert.Equal("10.255.255.254/8 fd00:9::7/112", Addresses("--ip", "10.255.255.254", "--ip6", "fd00:9::7"));
        Assert.Equal("10.0.0.2/8 fd00:9::ffff/112", Addresses("--ip6", "fd00:9::ffff"));
        using NetworkHost.Running held = host.StartReady(["--network", "big", "--ip", "10.200.0.1"], "echo ready; sleep 600");
        Assert.Equal("10.0.0.3/8 fd00:9::3/112", Addresses());
        // the smallest one, on an internal network: both of its addresses, and no more
        host.LaunchOutput("network", "create", "--internal", "--subnet", "172.16.0.0/30", "--subnet-v6", "fd00:90::/112", "small");
        (int code, string output) = host.Launch("run", "--network", "small", "--ip6", "fd00:90::1", "--", "true");
        Assert.True(code == 125 && output.Contains("It is the network's own, or its router's.", StringComparison.Ordinal), output);
        using NetworkHost.Running only = host.StartReady(["--network", "small", "--name", "only", "--ip6", "fd00:90::5"],
            "echo ready; sleep 600");
        foreach ((string flag, string address) in new[] { ("--ip6", "fd00:90::5"), ("--ip", "172.16.0.2") })
        {
            (code, output) = host.Launch("run", "--network", "small", flag, address, "--", "true");
            Assert.True(code == 125 && output.Contains("Container only has it.", StringComparison.Ordinal), output);
        }

        (code, output) = host.Launch("run", "--network", "small", "--", "true");
        Assert.True(code == 125 && output.Contains("All 1 addresses of 172.16.0.0/30 are taken.", StringComparison.Ordinal), output);
    }
}
