using System.Net;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Namespaces;

namespace Isolation.Kernel.Tests.Net;

/// <summary>The files that a network brings into a container: /etc/hosts and /etc/resolv.conf.</summary>
public class NetworkFileTests
{
    // What distributions and hostile images have there: systemd's link is the first, and leads nowhere until systemd runs.
    public static TheoryData<string> Links => ["../run/systemd/resolve/stub-resolv.conf", "/proc/self/mounts", "resolv.conf", "/etc", "/"];

    [Theory]
    [MemberData(nameof(Links))]
    public async Task A_link_in_the_root_is_covered_wherever_it_leads_and_the_root_stays_as_it_was(string target)
    {
        foreach (NamespaceKinds shared in new[] { NamespaceKinds.None, NamespaceKinds.Net })
        {
            using var directory = new TemporaryDirectory();
            string root = Box.MakeRoot(directory);
            directory.Make("root/run");
            directory.Make("root/etc");
            directory.Link("root/etc/hosts", target);
            directory.Link("root/etc/resolv.conf", target);
            ContainerBuilder builder = InRoot(root, "cat /etc/hosts /etc/resolv.conf").WithNamespacesSharedWithHost(shared)
                .AddHost(HostEntry.Parse("db:192.0.2.9")).AddNameServer(IPAddress.Parse("192.0.2.53")).AddSearchDomain("example.org");
            Assert.EndsWith("192.0.2.9 db\nsearch example.org\nnameserver 192.0.2.53", await builder.OutputAsync());
            Assert.Equal((target, target),
                (new FileInfo(root + "/etc/hosts").LinkTarget, new FileInfo(root + "/etc/resolv.conf").LinkTarget));
            Assert.Equal(2, Directory.GetFileSystemEntries(root + "/etc").Length);
            Assert.Empty(Directory.GetFileSystemEntries(root + "/run"));
        }
    }

    [Fact]
    public async Task On_the_hosts_network_only_what_is_asked_for_differs_from_the_hosts_files()
    {
        ContainerBuilder builder = Box.Shell("cat /etc/hosts").WithNamespacesSharedWithHost(NamespaceKinds.Net);
        string hosts = File.ReadAllText("/etc/hosts");
        Assert.Equal(hosts + (hosts.Length == 0 || hosts.EndsWith('\n') ? "" : "\n") + "192.0.2.9 db",
            await builder.AddHost(HostEntry.Parse("db:192.0.2.9")).OutputAsync());
        Assert.Equal(hosts.TrimEnd('\n'), await builder.AddNameServer(IPAddress.Parse("192.0.2.53")).OutputAsync());
        string servers = string.Concat(File.ReadLines("/etc/resolv.conf").Select(l => l.Split()).Where(w => w[0] == "nameserver")
            .Select(w => $"\nnameserver {w[1]}"));
        Assert.Equal("search example.org" + servers, await Box.Shell("cat /etc/resolv.conf")
            .WithNamespacesSharedWithHost(NamespaceKinds.Net).AddSearchDomain("example.org").OutputAsync());
    }

    [Fact]
    public async Task A_directory_in_the_place_of_a_file_is_told()
    {
        using var directory = new TemporaryDirectory();
        string root = Box.MakeRoot(directory);
        directory.Make("root/etc/hosts");
        LaunchException e = await Assert.ThrowsAsync<LaunchException>(() => InRoot(root, "true")
            .AddHost(HostEntry.Parse("db:192.0.2.9")).StartAsync());
        Assert.Equal((Errno.EINVAL, "\"/etc/hosts\" is a directory in the root, where a file is to be."), (e.Errno, e.Remedy));
    }

    [Theory]
    [InlineData("web")]
    [InlineData("slirp4netns")]
    public void Every_kind_of_network_starts_in_a_root_whose_resolver_file_leads_nowhere(string network)
    {
        Testing.Host.NeedsRoot();
        if (network != "web")
            Testing.Host.NeedsTool(network);
        using var host = new NetworkHost();
        host.Host.Run("ip", "route", "add", "default", "via", NetworkHost.WorldAddress);
        using var directory = new TemporaryDirectory();
        string root = Box.MakeRoot(directory);
        directory.Make("root/etc");
        directory.Link("root/etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf");
        foreach (string suffix in new[] { "", ":rw" })
        {
            string output = host.LaunchOutput(["run", "--rootfs", root + suffix, "-v", "/usr:/usr:ro", "--network", network, "--dns",
                "192.0.2.53", "--", "cat", "/etc/resolv.conf"]);
            Assert.Equal("nameserver 192.0.2.53", output);
        }

        Assert.Equal("../run/systemd/resolve/stub-resolv.conf", new FileInfo(root + "/etc/resolv.conf").LinkTarget);
        Assert.False(Path.Exists(root + "/run/systemd"));
    }

    [Fact]
    public void A_host_whose_etc_is_empty_has_containers()
    {
        Testing.Host.NeedsRoot();
        using var host = new NetworkHost();
        using NetworkHost.Running running = host.StartWithEmptyEtc("run", "--rootfs", "/", "--network", "web", "--", "/bin/true");
        Assert.Equal((0, ""), running.WaitForEnd());
    }

    private static ContainerBuilder InRoot(string root, string script) =>
        new ContainerBuilder(Rootfs.Directory(root)).WithCommand("/bin/sh", "-c", script).WithHostPrograms();
}
