using Isolation.Cgroups;
using Isolation.Containers;
using Isolation.Kernel.Tests.Cgroups;
using Isolation.Kernel.Tests.Net;
using Isolation.Linux;
using Isolation.Linux.Syscalls;
using Isolation.Net.Nftables;
using Isolation.Net.Routing;
using Isolation.Security;

namespace Isolation.Kernel.Tests;

/// <summary>Signals interrupt system calls; the runtime sends them whenever it stops its threads.</summary>
public class InterruptionTests
{
    [Fact]
    public void To_ask_whether_a_process_has_ended_is_not_interrupted()
    {
        using PidHandle self = PidHandle.Open(Environment.ProcessId);
        using var storm = new SignalStorm(SignalStorm.CurrentThread);
        for (int i = 0; i < 100_000 || storm.Sent < 10_000; i++)
            Assert.False(self.HasExited);
    }

    [Theory]
    [InlineData(LaunchForm.InMemory)]
    [InlineData(LaunchForm.Forked)]
    [InlineData(LaunchForm.Sealed)]
    public async Task Containers_start_are_measured_and_end(LaunchForm form)
    {
        bool limited = HostFacts.Current.Cgroups.Obstacle is null;
        ContainerBuilder builder = Box.Builder("/bin/cat").WithLaunchForm(form).WithStandardInput(Stdio.Pipe)
            .WithStandardOutput(Stdio.Pipe);
        LaunchPlan plan = (limited ? builder.WithMemoryMax(ByteSize.FromMebibytes(100)) : builder).Plan();
        await RunAsync(plan);
        var leaks = new Leaks();
        using (new SignalStorm())
        {
            for (int i = 0; i < 40; i++)
                await RunAsync(plan);
        }

        leaks.AssertNone();
    }

    [Fact]
    public void Networks_are_changed_and_read()
    {
        Host.NeedsRoot();
        using var network = new TestNetwork();
        using var storm = new SignalStorm();
        for (int i = 0; i < 100; i++)
        {
            network.Route.Add(new VethLink { Name = $"a{i}", Peer = new Link { Name = $"b{i}" } });
            Assert.Equal(2 * (i + 1), network.Route.ReadLinks().Count(l => l is VethLink));
        }

        using NftSocket nft = NftSocket.Open(network.Namespace);
        var table = new NftTable(NftFamily.Inet, "t");
        for (int i = 0; i < 50; i++)
        {
            nft.Execute(new NftBatch().Add(table).Add(new NftChain(table, $"c{i}")));
            Assert.Equal(i + 1, nft.ReadTable(NftFamily.Inet, "t")!.Chains.Length);
        }
    }

    [Fact]
    public void Calls_that_wait_for_an_answer_get_it()
    {
        using var thread = new LinuxThread("notified");
        SeccompListener listener = thread.Invoke(() =>
        {
            NoNewPrivileges.SetForCurrentThread();
            return SeccompFilter.Of(SeccompAction.Allow).Add(SeccompAction.UserNotify, "getppid").LoadOnCurrentThreadWithListener();
        });
        using var notifier = SeccompNotifier.Start(listener, _ => new ValueTask<SeccompReply>(SeccompReply.Return(4711)));
        using var storm = new SignalStorm();
        long[] answers = thread.Invoke(() => Enumerable.Range(0, 2000)
            .Select(_ => RawSyscall.InvokeRestarting(Syscall.getppid).Value).ToArray());
        Assert.All(answers, a => Assert.Equal(4711, a));
        Assert.Null(notifier.Failure);
    }

    private static async Task RunAsync(LaunchPlan plan)
    {
        await using Container process = await plan.StartAsync();
        process.StandardInput!.Write("through"u8);
        process.StandardInput.Dispose();
        if (process.Cgroup is { } cgroup)
            Assert.Equal(100 << 20, LimitTests.ReadMax(cgroup));
        Assert.Equal("through", await new StreamReader(process.StandardOutput!).ReadToEndAsync());
        Assert.Equal(0, (await process.WaitAsync()).Status.Code);
    }
}
