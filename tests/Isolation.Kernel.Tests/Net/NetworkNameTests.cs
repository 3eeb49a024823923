namespace Isolation.Kernel.Tests.Net;

/// <summary>What a container finds in /etc/hosts and /etc/resolv.conf, on every kind of network: docker's documented behaviour, hosts(5),
/// resolv.conf(5).</summary>
public class NetworkNameTests
{
    private const string HostNames = "127.0.0.1 localhost\n192.0.2.77 pinned.example\n";

    public static TheoryData<string[]> Kinds =>
    [
        new([]), new(["--network", "web"]), new(["--network", "macvlan:up0:192.0.2.60/24"]), new(["--network", "ipvlan:up0:192.0.2.61/24"]),
        new(["--network", "link:up0:192.0.2.62/24"]), new(["--network", "slirp4netns"]), new(["--network", "pasta"]),
    ];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void The_names_of_an_egress_policy_and_the_own_name_are_known_on_every_kind_of_network(string[] network)
    {
        Testing.Host.NeedsRoot();
        string kind = network.LastOrDefault("none");
        if (kind is "slirp4netns" or "pasta")
            Testing.Host.NeedsTool(kind);
        if (kind.Split(':') is [var link, _, _] && link is "macvlan" or "ipvlan")
            Assert.SkipUnless(TestNetwork.HasLinkKind(link), $"needs the link kind {link}");
        using var host = new NetworkHost();
        host.Host.Run("ip", "route", "add", "default", "via", NetworkHost.WorldAddress);
        using NetworkHost.Running run = host.StartWithHosts(HostNames,
            ["run", .. network, "--hostname", "box", "--egress-allow", "pinned.example:80", "--", "cat", "/etc/hosts"]);
        (int code, string output) = run.WaitForEnd();
        Assert.True(code == 0, output);
        string[] lines = output.Split('\n');
        Assert.Contains("192.0.2.77 pinned.example", lines);
        string own = kind switch
        {
            "web" => "10.89.0.2",
            "slirp4netns" => "10.0.2.100",
            _ when kind.Split(':') is [_, _, var address] => address.Split('/')[0],
            // unknown before, or none: hosts(5)
            _ => "127.0.1.1",
        };
        Assert.Contains(own + " box", lines);
    }

    [Theory]
    [InlineData("")]
    [InlineData("--dns 192.0.2.9")]
    [InlineData("--dns-search . --dns-option ndots:3")]
    public void The_hosts_search_list_and_options_hold_where_nothing_else_is_asked_for(string flags)
    {
        Testing.Host.NeedsRoot();
        using var host = new NetworkHost();
        // servers on the host's loopback, which 0.0.0.0 means too, and of its links, are another matter inside
        const string Given = "domain old.example\nsearch a.example b.example\nnameserver 127.0.0.53\nnameserver 0.0.0.0\n"
            + "nameserver fe80::1%up0\nnameserver 192.0.2.53\noptions ndots:2\noptions edns0\n";
        string[] asked = flags.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        string Shown(params string[] network)
        {
            using NetworkHost.Running run = host.StartWithFile("/etc/resolv.conf", Given,
                ["run", .. network, .. asked, "--", "cat", "/etc/resolv.conf"]);
            (int code, string output) = run.WaitForEnd();
            Assert.True(code == 0, output);
            return output;
        }

        string head = flags.Contains("search") ? "" : "search a.example b.example\n", options = flags.Contains("ndots") ? "options ndots:3"
            : "options ndots:2 edns0";
        string inside = flags.Contains("192.0.2.9") ? "nameserver 192.0.2.9\n" : "nameserver 192.0.2.53\n";
        string outside = flags.Contains("192.0.2.9") ? inside
            : "nameserver 127.0.0.53\nnameserver 0.0.0.0\nnameserver fe80::1%up0\nnameserver 192.0.2.53\n";
        Assert.Equal(head + inside + options, Shown("--network", "web"));
        // the host's own network has all of the host's servers; with nothing asked for, it is the host's file itself
        if (asked.Length > 0)
            Assert.Equal(head + outside + options, Shown("--network", "host"));
    }

    [Fact]
    public void Who_joins_a_containers_network_has_its_names()
    {
        Testing.Host.NeedsRoot();
        using var host = new NetworkHost();
        using NetworkHost.Running owner = host.StartReady(["--network", "web", "--name", "owner", "--hostname", "owner", "--add-host",
            "db:192.0.2.9", "--dns", "192.0.2.53"], "echo ready; sleep 600");
        string hosts = host.LaunchOutput("run", "--network", "container:owner", "--", "cat", "/etc/hosts", "/etc/resolv.conf");
        Assert.Contains("10.89.0.2 owner", hosts);
        Assert.Contains("192.0.2.9 db", hosts);
        Assert.Contains("nameserver 192.0.2.53", hosts);
        // and what it asks for beside
        Assert.Equal(hosts.Replace("\nsearch", "\n192.0.2.10 more\nsearch").Replace("192.0.2.9 db\n", "192.0.2.9 db\n192.0.2.10 more\n"),
            host.LaunchOutput("run", "--network", "container:owner", "--add-host", "more:192.0.2.10", "--", "cat", "/etc/hosts",
                "/etc/resolv.conf"));
    }

    /// <summary>docker: "containers that share a network share its hosts file". With lines of its own it has a
    /// copy, made at its start.</summary>
    [Fact]
    public void Who_joins_a_containers_network_sees_names_that_come_and_go_later()
    {
        Testing.Host.NeedsRoot();
        using var host = new NetworkHost();
        using NetworkHost.Running owner = host.StartReady(["--network", "web", "--name", "owner"], "echo ready; sleep 600");
        using var shared = new TemporaryDirectory();
        const string Follow = "echo ready; while ! [ -e /run/end ]; do cp /etc/hosts /run/now; mv /run/now /run/seen; sleep 0.05; done";
        using NetworkHost.Running joined = host.StartReady(["--network", "container:owner", "-v", shared.Path + ":/run"], Follow);
        // and who joins it by one that has joined
        using var further = new TemporaryDirectory();
        string NetworkOf(string process) => File.ResolveLinkTarget($"/proc/{process}/ns/net", returnFinalTarget: false)!.Name;
        string first = Directory.GetDirectories($"/proc/{joined.Process.Id}/task")
            .SelectMany(t => File.ReadAllText(t + "/children").Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .First(c => NetworkOf(c) != NetworkOf($"{joined.Process.Id}"));
        using NetworkHost.Running second = host.StartReady(["--network", "container:" + first, "-v", further.Path + ":/run"], Follow);
        bool Sees(string line, TemporaryDirectory by)
        {
            // The copy that was begun before may still come.
            for (int i = 0; i < 3; i++)
            {
                string path = by.Path + "/seen";
                DateTime old = File.Exists(path) ? File.GetLastWriteTimeUtc(path) : default;
                for (int wait = 0; wait < 400 && (!File.Exists(path) || File.GetLastWriteTimeUtc(path) == old); wait++)
                    Thread.Sleep(25);
            }

            return File.ReadAllLines(by.Path + "/seen").Any(l => l.StartsWith(line, StringComparison.Ordinal));
        }

        Assert.True(Sees("10.89.0.2 owner", shared) && !Sees("10.89.0.3 late", shared));
        using (NetworkHost.Running late = host.StartReady(["--network", "web", "--name", "late"], "echo ready; sleep 600"))
            Assert.True(Sees("10.89.0.3 late", shared) && Sees("10.89.0.3 late", further));
        Assert.False(Sees("10.89.0.3 late", shared) || Sees("10.89.0.3 late", further));
        shared.Write("end", "");
        further.Write("end", "");
        Assert.Equal((0, 0), (joined.WaitForEnd().Code, second.WaitForEnd().Code));
    }

    /// <summary>hosts(5): the first line with a name counts.</summary>
    [Fact]
    public void A_containers_own_name_leads_to_itself_whoever_else_has_it_as_an_alias()
    {
        Testing.Host.NeedsRoot();
        using var host = new NetworkHost();
        using NetworkHost.Running before = host.StartReady(["--network", "web", "--name", "a", "--network-alias", "b"],
            "echo ready; sleep 600");
        string[] hosts = host.LaunchOutput("run", "--network", "web", "--name", "b", "--hostname", "b", "--", "cat", "/etc/hosts")
            .Split('\n');
        Assert.Equal("10.89.0.3 b", hosts.First(l => l.Split(' ').Skip(1).Contains("b")));
        Assert.Contains("10.89.0.2 a b", hosts);
        // who needs no lines of its own shares the file of all, and finds itself there as well
        hosts = host.LaunchOutput("run", "--network", "web", "--name", "c", "--hostname", "c", "--", "cat", "/etc/hosts").Split('\n');
        Assert.Equal("10.89.0.3 c", hosts.First(l => l.Split(' ').Skip(1).Contains("c")));
        Assert.Contains("10.89.0.2 a b", hosts);
    }

    [Fact]
    public void Names_come_and_go_with_their_containers_in_the_files_of_all_others()
    {
        Testing.Host.NeedsRoot();
        using var host = new NetworkHost();
        using NetworkHost.Running a = host.StartReady(["--network", "web", "--name", "a", "--add-host", "b:10.89.0.3"],
            "echo ready; sleep 600");
        string own = Directory.GetFiles(host.StateDirectory + "/run", "*", SearchOption.AllDirectories)
            .Single(f => f.Contains("/hosts/") && !f.EndsWith("/shared", StringComparison.Ordinal));
        string File() => System.IO.File.ReadAllText(own);
        string alone = File();
        // The same line as one that was asked for: that one stays.
        using (NetworkHost.Running b = host.StartReady(["--network", "web", "--name", "b", "--ip", "10.89.0.3"], "echo ready; sleep 600"))
            Assert.Equal(2, File().Split('\n').Count(l => l == "10.89.0.3 b"));
        Assert.Equal(alone, File());
        using NetworkHost.Running c = host.StartReady(["--network", "web", "--name", "c", "--network-alias", "d"], "echo ready; sleep 600");
        Assert.Contains("10.89.0.3 c d\n", File());
        // A newcomer knows those that are there.
        Assert.Contains("10.89.0.3 c d", host.LaunchOutput("run", "--network", "web", "--", "cat", "/etc/hosts"));
    }
}
