using System.Diagnostics;

namespace Isolation.Kernel.Tests.Net;

/// <summary>Networks of ordinary users, on a host of the test's own: root makes the host, and the launcher runs as somebody else.</summary>
public class UserModeNetworkTests
{
    private const string User = "isolation-test";

    [Theory]
    [InlineData("pasta")]
    [InlineData("slirp4netns")]
    public void An_ordinary_users_container_fetches_from_outside_and_is_reached_by_published_ports(string stack)
    {
        Needs(stack);
        using var host = new NetworkHost();
        using UserLauncher launcher = new(host);
        using NetworkHost.Running world = host.Serve(host.World, "TCP4-LISTEN:70,fork,reuseaddr", "world");
        string fetch = $"socat -t10 -T10 - TCP4:{NetworkHost.WorldAddress}:70,connect-timeout=3 2>&1 </dev/null | head -1";
        (int code, string output) = launcher.Start("run", "--network", stack, "--", "sh", "-c", fetch).WaitForEnd();
        Assert.Equal((0, $"world from {NetworkHost.HostAddress}"), (code, output));
        // its policy holds as it does for root's
        Assert.DoesNotContain("world from",
            launcher.Start("run", "--network", stack, "--egress-allow", "192.0.2.2:71", "--", "sh", "-c", fetch).WaitForEnd().Output);
        Assert.Contains("world from",
            launcher.Start("run", "--network", stack, "--egress-allow", "192.0.2.2:70", "--", "sh", "-c", fetch).WaitForEnd().Output);
        // the host's loopback is not the container's, nor reached by it
        using NetworkHost.Running loopback = host.Serve(host.Host, "TCP4-LISTEN:71,bind=127.0.0.1,fork,reuseaddr", "loopback");
        Assert.DoesNotContain("loopback from", launcher.Start("run", "--network", stack, "--", "sh", "-c",
            "for a in 127.0.0.1 10.0.2.2 192.0.2.2; do socat -T1 - TCP4:$a:71,connect-timeout=1 2>&1; done; true").WaitForEnd().Output);

        using NetworkHost.Running server = launcher.Start("run", "--init", "--network", stack, "-p", "8080:80", "--", "sh", "-c",
            "socat TCP4-LISTEN:80,fork,reuseaddr SYSTEM:'echo inside' & " + NetworkHost.ReadyWhenBound(1));
        server.WaitForLine("ready");
        Assert.StartsWith("inside", NetworkHost.Ask(host.World, $"TCP4:{NetworkHost.HostAddress}:8080"));
        Assert.StartsWith("inside", NetworkHost.Ask(host.Host, "TCP4:127.0.0.1:8080"));
        Assert.NotEmpty(Companions(stack));
        // however it ends, the program ends with it
        server.Process.Kill();
        for (int i = 0; i < 1000 && Companions(stack).Length > 0; i++)
            Thread.Sleep(50);
        Assert.Empty(Companions(stack));
    }

    [Theory]
    [InlineData("pasta")]
    [InlineData("slirp4netns")]
    public void Rates_and_hardware_addresses_hold_as_on_other_networks(string stack)
    {
        Needs(stack);
        Testing.Host.NeedsTool("tc");
        using var host = new NetworkHost();
        using UserLauncher launcher = new(host);
        bool hasIfb = TestNetwork.HasLinkKind("ifb");
        string[] flags = ["--network", stack, "--mac-address", "02:00:00:00:00:42", "--net-egress", "8mbit",
            .. hasIfb ? ["--net-ingress", "6mbit"] : Array.Empty<string>()];
        string output = launcher.Start(["run", .. flags, "--", "sh", "-c", "cat /sys/class/net/eth0/address; tc qdisc show"])
            .WaitForEnd().Output;
        Assert.StartsWith("02:00:00:00:00:42", output);
        Assert.Contains("dev eth0 root", output.Replace(" refcnt 2", ""));
        Assert.Contains("rate 8Mbit", output);
        Assert.Equal(hasIfb, output.Contains("rate 6Mbit"));
    }

    [Fact]
    public void Ports_are_published_although_the_socket_for_them_comes_late()
    {
        Needs("slirp4netns");
        using var host = new NetworkHost();
        for (int i = 0; i < 15; i++)
            Assert.Equal((0, ""), host.Launch("run", "--network", "slirp4netns", "-p", "127.0.0.1:8080:80", "--", "true"));
        (int code, string output) = host.Launch("run", "--network", "slirp4netns", "-p", "[::1]:8080:80", "--", "true");
        Assert.Equal(125, code);
        Assert.Contains("of IPv6 cannot be published by slirp4netns: use pasta", output);
    }

    [Fact]
    public void A_device_that_the_user_may_not_open_is_told()
    {
        Needs("pasta");
        using var host = new NetworkHost();
        using UserLauncher launcher = new(host, tunMode: "600");
        (int code, string output) = launcher.Start("run", "--network", "pasta", "--", "true").WaitForEnd();
        Assert.Equal(125, code);
        Assert.Contains("This user may not open /dev/net/tun: give it the mode 0666.", output);
        (code, output) = launcher.Start("run", "--network", "bridge", "--", "true").WaitForEnd();
        Assert.Equal(125, code);
        Assert.Contains("use the user-mode network: --network pasta", output);
    }

    private static void Needs(string stack)
    {
        Testing.Host.NeedsRoot();
        Testing.Host.NeedsTool("socat");
        Testing.Host.NeedsTool(stack);
        Assert.SkipUnless(File.ReadLines("/etc/passwd").Any(l => l.StartsWith(User + ":")), $"needs a user {User}");
    }

    private static string[] Companions(string stack) =>
        [.. Directory.GetDirectories("/proc").Where(d => int.TryParse(Path.GetFileName(d), out _)).Where(d =>
        {
            try
            {
                return RunGroup.Contains(d) && (File.ReadAllText(d + "/cmdline").StartsWith(stack + "\0")
                    || File.ReadAllText(d + "/comm").StartsWith("isolation-comp"));
            }
            catch (IOException)
            {
                return false;
            }
        })];

    /// <summary>The launcher, as the ordinary user, with a tun device that he may open.</summary>
    private sealed class UserLauncher : IDisposable
    {
        private readonly NetworkHost _host;
        private readonly TemporaryDirectory _directory = new();
        private readonly string _tunMode;

        internal UserLauncher(NetworkHost host, string tunMode = "666")
        {
            _host = host;
            _tunMode = tunMode;
            host.Host.Run("ip", "route", "add", "default", "via", NetworkHost.WorldAddress);
            // The build's own directory may be out of the user's reach.
            Testing.Host.Run("cp", "-r", AppContext.BaseDirectory, _directory.Path + "/launcher");
            Testing.Host.Run("mknod", _directory.Path + "/tun", "c", "10", "200");
            Testing.Host.Run("chmod", tunMode, _directory.Path + "/tun");
            Testing.Host.Run("chmod", "-R", "a+rX", _directory.Path);
            Testing.Host.Run("chmod", _tunMode, _directory.Path + "/tun");
        }

        internal NetworkHost.Running Start(params string[] arguments) => _host.StartIn(_host.Host, "unshare", ["-m", "sh", "-c",
            $"""
            mount --bind {_directory.Path}/tun /dev/net/tun &&
            exec setpriv --reuid {User} --regid {User} --init-groups \
                env HOME=/home/{User} PATH="$PATH" DOTNET_ROOT="$DOTNET_ROOT" \
                dotnet {_directory.Path}/launcher/Isolation.Launcher.dll "$@"
            """, "sh", .. arguments]);

        public void Dispose() => _directory.Dispose();
    }
}
