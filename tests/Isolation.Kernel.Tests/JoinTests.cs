using Isolation.Containers;
using Isolation.Linux;
using Isolation.Namespaces;

namespace Isolation.Kernel.Tests;

/// <summary>What is joined is what was named when it was named: a number is given to another process as soon as the first is gone,
/// credentials(7), pid_namespaces(7).</summary>
public class JoinTests
{
    [Fact]
    public void Nothing_that_was_kept_of_a_container_reaches_the_process_that_gets_its_number()
    {
        Host.NeedsRoot();
        Host.NeedsTool("unshare");
        string victim = Path.Combine(AppContext.BaseDirectory, "Isolation.Testing.Victim.dll");
        (int code, string output) = Host.Run("unshare", "--pid", "--fork", "--mount", "--mount-proc", "--kill-child", "timeout", "60",
            "dotnet", victim, "--reuse");
        Assert.Equal("""
            number reused: True
            join by number: ESRCH
            join by handle: ESRCH
            join by container: closed
            namespace by handle: ESRCH
            route socket by handle: ESRCH
            signal: ESRCH
            traffic: none
            join by namespace: 7
            stranger lives: True

            """, output);
        Assert.Equal(0, code);
    }

    /// <summary>The pidfd is read at the start of the container, not when the builder is made.</summary>
    [Fact]
    public async Task A_process_that_has_ended_is_not_joined_and_one_that_runs_is()
    {
        var leaks = new Leaks();
        Container first = await Box.Builder("/bin/sleep", "100").StartAsync(TestContext.Current.CancellationToken);
        using PidHandle process = PidHandle.Open(first.ProcessId);
        ContainerBuilder joined = Box.Shell("readlink /proc/self/ns/net").AddJoinedNamespaces(NamespaceKinds.Net, process);
        using (Namespace network = Namespace.Open(NamespaceKinds.Net, first.Process))
            Assert.Equal(network.ToString(), await joined.OutputAsync());
        LaunchPlan plan = joined.Plan();
        await first.DisposeAsync();
        LaunchException refused = await Assert.ThrowsAsync<LaunchException>(() => plan.StartAsync(TestContext.Current.CancellationToken));
        Assert.Equal((Errno.ESRCH, "setns(2)"), (refused.Errno, refused.Call));
        Assert.Contains("The process has ended.", refused.Message);
        process.Dispose();
        leaks.AssertNone();
    }

    [Fact]
    public async Task A_closed_handle_is_a_fault_of_the_specification()
    {
        PidHandle self = PidHandle.Open(Environment.ProcessId);
        self.Dispose();
        Assert.Contains("must join what is held by an open handle",
            (await Assert.ThrowsAsync<SpecException>(() => Box.Builder("/bin/true").AddJoinedNamespaces(NamespaceKinds.Net, self)
                .StartAsync(TestContext.Current.CancellationToken))).Message);
        Assert.Equal(Errno.ESRCH,
            Assert.Throws<LinuxException>(() => Box.Builder("/bin/true").AddJoinedNamespaces(NamespaceKinds.Net, 4_000_000)).Errno);
    }

    [Fact]
    public async Task A_namespace_that_is_held_is_joined_after_its_processes_have_ended()
    {
        Host.NeedsRoot();
        Namespace network;
        await using (Container first = await Box.Builder("/bin/sleep", "100").StartAsync(TestContext.Current.CancellationToken))
            network = Namespace.Open(NamespaceKinds.Net, first.Process);
        using (network)
            Assert.Equal(network.ToString(), await Box.Shell("readlink /proc/self/ns/net").AddJoinedNamespace(network).OutputAsync());
    }
}
