using Isolation.Containers;
using Isolation.Linux;
using Isolation.Linux.Launching;
using Microsoft.Win32.SafeHandles;

namespace Isolation.Kernel.Tests;

/// <summary>A launch is made later than it is asked for, and on another thread: what the caller gave is the caller's file all the same,
/// never what has got its number meanwhile.</summary>
public class HandleLifetimeTests
{
    [Theory]
    [InlineData(LaunchForm.InMemory)]
    [InlineData(LaunchForm.Sealed)]
    public async Task Handles_that_are_disposed_between_the_request_and_the_launch_are_those_that_were_given(LaunchForm form)
    {
        using var directory = new TemporaryDirectory();
        string target = Path.Combine(directory.Path, "out");
        SafeFileHandle input = File.OpenHandle(directory.Write("in", "given")), output = File.OpenHandle(target, FileMode.Create,
            FileAccess.Write, FileShare.ReadWrite), passed = File.OpenHandle(directory.Write("five", "passed"));
        string stranger = directory.Write("stranger", "stranger");
        LaunchPlan plan = Box.Shell("cat; cat <&5").WithStandardInput(Stdio.Handle(input)).WithStandardOutput(Stdio.Handle(output))
            .AddDescriptor(passed, 5).WithLaunchForm(form).Build().Plan(HostFacts.Current);

        var process = new Container(plan, brokenCall: -1);
        process.Request.Reserve();
        SafeFileHandle[] given = [input, output, passed];
        foreach (SafeFileHandle handle in given)
            handle.Dispose();
        // Without a hold on the three, these are opened with their numbers.
        SafeFileHandle[] strangers = [.. Enumerable.Range(0, 16)
            .Select(_ => File.OpenHandle(stranger, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))];
        LaunchQueue.Post(process.Request);
        await using (await process.Started)
            Assert.Equal(0, (await process.WaitAsync(TestContext.Current.CancellationToken)).Status.Code);

        Assert.Equal(("givenpassed", "stranger"), (File.ReadAllText(target), File.ReadAllText(stranger)));
        Assert.All(given, handle => Assert.True(handle.IsClosed)); // let go of when the launch was over
        foreach (SafeFileHandle handle in strangers)
            handle.Dispose();
    }

    [Fact]
    public async Task A_handle_that_is_closed_already_is_refused_at_the_call_and_nothing_stays_held()
    {
        var leaks = new Leaks();
        SafeFileHandle open = File.OpenHandle("/dev/null"), closed = File.OpenHandle("/dev/null");
        LaunchPlan plan = Box.Builder("/bin/true").AddDescriptor(open, 5).AddDescriptor(closed, 6).Build().Plan(HostFacts.Current);
        closed.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => plan.StartAsync(TestContext.Current.CancellationToken));
        Assert.Throws<ObjectDisposedException>(() => plan.Start());
        open.Dispose();
        Assert.True(open.IsClosed);
        leaks.AssertNone();
    }

    [Fact]
    public async Task A_launch_that_fails_lets_go_of_what_it_was_given()
    {
        SafeFileHandle passed = File.OpenHandle("/dev/null");
        await Assert.ThrowsAsync<LaunchException>(() => Box.Builder("/bin/there-is-no-such-program").AddDescriptor(passed, 5)
            .StartAsync(TestContext.Current.CancellationToken));
        passed.Dispose();
        Assert.True(passed.IsClosed);
    }

    /// <summary>The same by chance, from the public side: the caller disposes its handle as soon as the start is asked for.</summary>
    [Fact]
    public async Task A_dispose_that_races_with_a_start_puts_no_strangers_file_into_the_container()
    {
        using var directory = new TemporaryDirectory();
        string own = directory.Write("own", "own"), stranger = directory.Write("stranger", "stranger");
        for (int i = 0; i < 25; i++)
        {
            SafeFileHandle passed = File.OpenHandle(own);
            Task<Container> starting = Box.Shell("cat <&5").AddDescriptor(passed, 5).WithStandardOutput(Stdio.Pipe)
                .StartAsync(TestContext.Current.CancellationToken);
            passed.Dispose();
            using SafeFileHandle witness = File.OpenHandle(stranger);
            await using Container process = await starting;
            Assert.Equal("own", await new StreamReader(process.StandardOutput!).ReadToEndAsync(TestContext.Current.CancellationToken));
        }
    }

    [Fact]
    public async Task A_kill_after_the_dispose_signals_nobody()
    {
        Container process = await Box.Builder("/bin/sleep", "100").StartAsync(TestContext.Current.CancellationToken);
        await process.DisposeAsync();
        process.Kill();
        Assert.Throws<ObjectDisposedException>(() => process.Process.SendSignal(Signal.None));
    }
}
