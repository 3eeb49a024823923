using Isolation.Containers;
using Isolation.Linux;
using Isolation.Namespaces;
using Isolation.Net;
using Isolation.Security;

namespace Isolation.Kernel.Tests;

/// <summary>Namespaces, capabilities and the network, each useful without a container.</summary>
public class NamespaceTests
{
    private const NamespaceKinds WithoutUser = NamespaceKinds.All & ~NamespaceKinds.User;

    [Fact]
    public void Unshare_moves_one_thread_and_no_other()
    {
        Host.NeedsRoot();
        using Namespace before = Namespace.OpenCurrent(NamespaceKinds.Uts);
        using (LinuxThread thread = Namespace.Unshare(WithoutUser))
        {
            foreach (NamespaceKinds kind in (WithoutUser & ~(NamespaceKinds.Pid | NamespaceKinds.Time)).Each())
            {
                using Namespace inside = thread.Invoke(() => Namespace.OpenCurrent(kind));
                using Namespace outside = Namespace.OpenCurrent(kind);
                Assert.Equal(kind, inside.Kind);
                Assert.False(inside.Equals(outside), kind.ToString());
                Assert.NotEqual(inside.Id, outside.Id);
            }

            Assert.Equal(["lo"],
                thread.Invoke(() => File.ReadAllLines("/proc/thread-self/net/dev").Skip(2).Select(l => l.Split(':')[0].Trim()).ToArray()));
        }

        using Namespace after = Namespace.OpenCurrent(NamespaceKinds.Uts);
        Assert.True(before.Equals(after));
        Assert.Equal(before.GetHashCode(), after.GetHashCode());
    }

    [Fact]
    public void A_refused_unshare_says_why()
    {
        LinuxException e = Assert.Throws<LinuxException>(() => Namespace.Unshare(NamespaceKinds.User));
        Assert.Equal(Errno.EINVAL, e.Errno);
        Assert.Contains("several threads", e.Message);
        if (!Host.IsRoot)
            Assert.Equal(Errno.EPERM, Assert.Throws<LinuxException>(() => Namespace.Unshare(NamespaceKinds.Net)).Errno);
    }

    [Fact]
    public async Task A_containers_namespaces_can_be_opened_compared_and_entered()
    {
        Host.NeedsRoot();
        await using Container container = await Box.Builder("/bin/sleep", "1000").StartAsync();
        using Namespace uts = Namespace.Open(NamespaceKinds.Uts, container.Process),
            mount = Namespace.Open(NamespaceKinds.Mount, container.ProcessId);
        using Namespace again = Namespace.Open($"/proc/{container.ProcessId}/ns/uts");
        Assert.True(uts.Equals(again));
        Assert.Contains("load code from its root", Assert.Throws<ArgumentException>(() => Namespace.Enter(uts, mount)).Message);
        using LinuxThread thread = Namespace.EnterTrustingCodeInside(uts, mount);
        Assert.Equal("box", thread.Invoke(() => File.ReadAllText("/proc/sys/kernel/hostname").Trim()));
        using Namespace owner = uts.OpenOwner(), host = Namespace.OpenCurrent(NamespaceKinds.User);
        Assert.True(owner.Equals(host));
        using Namespace pid = Namespace.Open(NamespaceKinds.Pid, container.ProcessId), parent = pid.OpenParent(),
            mine = Namespace.OpenCurrent(NamespaceKinds.Pid);
        Assert.True(parent.Equals(mine));
        Assert.Equal(Errno.EINVAL, Assert.Throws<LinuxException>(() => uts.OpenParent()).Errno);
    }

    [Fact]
    public async Task A_namespace_of_a_process_that_has_ended_is_refused()
    {
        Container container = await Box.Builder("/bin/true").StartAsync();
        await container.WaitAsync();
        Assert.True(Assert.Throws<LinuxException>(() => Namespace.Open(NamespaceKinds.Net, container.Process))
            .Errno is Errno.ENOENT or Errno.ESRCH);
        await container.DisposeAsync();
        Assert.Contains("not a namespace", Assert.Throws<LinuxException>(() => Namespace.Open("/etc/passwd")).Message);
    }

    [Fact]
    public void A_pinned_namespace_outlives_its_threads()
    {
        Host.NeedsRoot();
        using var directory = new TemporaryDirectory();
        string pin = Path.Combine(directory.Path, "net");
        ulong id;
        using (LinuxThread thread = Namespace.Unshare(NamespaceKinds.Net))
        using (Namespace net = thread.Invoke(() => Namespace.OpenCurrent(NamespaceKinds.Net)))
        {
            id = net.Id;
            net.Pin(pin);
        }

        try
        {
            using Namespace pinned = Namespace.Open(pin);
            Assert.Equal((id, NamespaceKinds.Net), (pinned.Id, pinned.Kind));
        }
        finally
        {
            Namespace.Unpin(pin);
        }

        Assert.False(File.Exists(pin));
        Assert.Throws<LinuxException>(() => Namespace.Unpin(directory.Path));
    }

    [Fact]
    public void A_user_namespace_without_a_process_keeps_its_maps()
    {
        Host.NeedsRoot();
        var leaks = new Leaks();
        using (Namespace user = UserNamespaces.Create(new IdMap(new IdMapRange(0, 300_000, 10)), new IdMap(new IdMapRange(0, 300_000, 10))))
        {
            Assert.Equal(NamespaceKinds.User, user.Kind);
            Assert.Equal(0u, user.OwnerUserId);
            using Namespace parent = user.OpenParent(), host = Namespace.OpenCurrent(NamespaceKinds.User);
            Assert.True(parent.Equals(host));
        }

        leaks.AssertNone();
    }

    [Fact]
    public async Task Nested_maps_with_many_ranges_give_the_right_ids()
    {
        Host.NeedsRoot();
        var map = new IdMap(Enumerable.Range(0, 20).Select(i => new IdMapRange((uint)i * 10, 600_000 + (uint)((20 - i) * 100), 10)));
        string inside = await Box.Shell("cat /proc/self/uid_map | awk '{print $1, $2, $3}'").WithUserNamespace(map, map).OutputAsync();
        Assert.Equal(map.ToString(), inside);
    }

    [Fact]
    public async Task Joined_namespaces_are_shared_and_the_rest_is_not()
    {
        await using Container first = await Box.Shell("ipcmk -M 4096 > /dev/null; exec sleep 1000").StartAsync();
        await ContainerTests.WaitFor(() => ContainerTests.Sleeping("1000") > 0);
        const NamespaceKinds Kinds = NamespaceKinds.Ipc | NamespaceKinds.Net | NamespaceKinds.Pid;
        string output = await Box.Shell("ipcs -m | grep -c 4096; cat /proc/2/cmdline | tr '\\0' ' '; echo; for n in ipc net pid uts mnt; "
            + "do readlink /proc/self/ns/$n; done; echo $$").AddJoinedNamespaces(Kinds, first).OutputAsync();
        string[] lines = output.Split('\n');
        Assert.Equal(["1", "sleep 1000 "], lines[..2]);
        foreach ((string line, NamespaceKinds kind, bool shared) in new[]
        {
            (lines[2], NamespaceKinds.Ipc, true),
            (lines[3], NamespaceKinds.Net, true),
            (lines[4], NamespaceKinds.Pid, true),
            (lines[5], NamespaceKinds.Uts, false),
            (lines[6], NamespaceKinds.Mount, false)
        })
        {
            using Namespace its = Namespace.Open(kind, first.ProcessId);
            Assert.Equal(shared, line == its.ToString());
        }

        Assert.NotEqual("1", lines[7]);
    }

    [Fact]
    public async Task A_joined_process_is_this_processs_child_and_ends_with_it()
    {
        await using Container first = await Box.Builder("/bin/sleep", "1000").StartAsync();
        Container second = await Box.Shell("exit 9").AddJoinedNamespaces(NamespaceKinds.Pid, first).StartAsync();
        Assert.Equal(9, (await second.WaitAsync()).Status.Code);
        await second.DisposeAsync();
        Assert.False(first.Process.HasExited);
    }

    [Fact]
    public async Task A_pool_gives_each_container_a_network_of_its_own()
    {
        Host.NeedsRoot();
        var leaks = new Leaks();
        using (var pool = new NetworkNamespacePool(3))
        {
            LaunchPlan plan = Box.Shell("readlink /proc/self/ns/net; cat /sys/class/net/lo/operstate").WithNetworkPool(pool)
                .WithStandardOutput(Stdio.Pipe).Plan();
            var seen = new HashSet<string>();
            using Namespace host = Namespace.OpenCurrent(NamespaceKinds.Net);
            for (int i = 0; i < 10; i++)
            {
                await using Container process = await plan.StartAsync();
                string net = (await new StreamReader(process.StandardOutput!).ReadToEndAsync()).Split('\n')[0];
                Assert.NotEqual(host.ToString(), net);
                seen.Add(net);
            }

            Assert.True(seen.Count > 1);
        }

        leaks.AssertNone();
    }

    [Fact]
    public async Task An_idmapped_root_belongs_to_the_containers_root()
    {
        Host.NeedsRoot();
        using var directory = new TemporaryDirectory();
        Assert.SkipWhen(KernelVersion.Running < new KernelVersion(6, 3)
            && Host.Run("stat", "-f", "-c", "%T", directory.Path).Output == "tmpfs\n",
            "needs a temporary directory that can be idmapped: tmpfs can since Linux 6.3");
        string root = Box.MakeRoot(directory), shared = directory.Make("shared");
        directory.Write("shared/file", "x");
        foreach (string name in new[] { "usr", "proc", "dev", "sys", "mnt" })
            directory.Make("root/" + name);
        var map = new IdMap(new IdMapRange(0, 700_000, 65_536));
        string output = await new ContainerBuilder(new DirectoryRootfs(root) { IdMapped = true }).WithHostPrograms().WithWritableRoot()
            .WithUserNamespace(map, map)
            .AddMount(new BindMount(shared, "/mnt") { IdMapped = true })
            .WithCommand("/bin/sh", "-c", "stat -c %u / /mnt/file; echo made > /made; echo made > /mnt/made; stat -c %u /made")
            .OutputAsync();
        Assert.Equal("0\n0\n0", output);
        // On the host both belong to root, not to the id that the container's root stands for.
        Assert.Equal("0\n0\n", Host.Run("stat", "-c", "%u", Path.Combine(root, "made"), Path.Combine(shared, "made")).Output);
    }

    [Fact]
    public void Capabilities_of_one_thread_are_dropped_for_good()
    {
        Host.NeedsRoot();
        using var thread = new LinuxThread();
        thread.Invoke(() => Capabilities.Drop(Capability.NetRaw, Capability.Mknod));
        CapabilityState inside = thread.Invoke(Capabilities.Read), outside = Capabilities.Read();
        foreach (CapabilitySet set in new[] { inside.Bounding, inside.Permitted, inside.Effective })
            Assert.False(set.Contains(Capability.NetRaw) || set.Contains(Capability.Mknod));
        Assert.True(outside.Effective.Contains(Capability.NetRaw));
        Assert.Equal(outside.Effective.Count - 2, inside.Effective.Count);
    }

    [Fact]
    public void No_new_privs_is_set_for_one_thread()
    {
        using var thread = new LinuxThread();
        Assert.False(thread.Invoke(() => NoNewPrivileges.IsSetForCurrentThread));
        thread.Invoke(NoNewPrivileges.SetForCurrentThread);
        Assert.True(thread.Invoke(() => NoNewPrivileges.IsSetForCurrentThread));
        Assert.False(NoNewPrivileges.IsSetForCurrentThread);
    }

    [Fact]
    public void Loopback_is_set_up()
    {
        Host.NeedsRoot();
        using LinuxThread thread = Namespace.Unshare(NamespaceKinds.Net);
        Assert.DoesNotContain("127.0.0.0", thread.Invoke(() => File.ReadAllText("/proc/thread-self/net/fib_trie")));
        thread.Invoke(Loopback.SetUp);
        Assert.Contains("127.0.0.0", thread.Invoke(() => File.ReadAllText("/proc/thread-self/net/fib_trie")));
    }

    [Fact]
    public void A_failure_on_a_thread_comes_back_to_the_caller()
    {
        using var thread = new LinuxThread();
        Assert.Throws<InvalidOperationException>(() => thread.Invoke(new Action(() => throw new InvalidOperationException())));
        Assert.NotEqual(Environment.ProcessId, thread.ThreadId);
        Assert.Equal(3, thread.Invoke(() => 3));
    }
}
