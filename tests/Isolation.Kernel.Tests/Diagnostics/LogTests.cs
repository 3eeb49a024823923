using System.Diagnostics;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Security;
using Microsoft.Extensions.Logging;

namespace Isolation.Kernel.Tests.Diagnostics;

/// <summary>What a logger is told of real containers: docs/logging.md.</summary>
public class LogTests
{
    private const string Secret = "never-to-be-told";

    private readonly RecordingLogger _logger = new(LogLevel.Information);

    [Fact]
    public async Task Start_and_end_are_told_by_the_program_alone()
    {
        await using Container container = await Box.Shell($"exit 3 # {Secret}").AddEnvironment("TOKEN", Secret).WithLogger(_logger)
            .StartAsync();
        RecordingLogger.Entry started = _logger.Single(1);
        Assert.Equal(("ContainerStarted", LogLevel.Information), (started.Name, started.Level));
        Assert.Equal((container.ProcessId, "/bin/sh"), ((int)started.Fields["ProcessId"]!, started.Fields["Program"]));
        Assert.InRange((double)started.Fields["DurationMs"]!, 0.01, 60_000);
        ContainerResult result = await container.WaitAsync();
        RecordingLogger.Entry ended = _logger.Single(5);
        Assert.Equal(("exited with code 3", LimitHits.None), (ended.Fields["Status"], ended.Fields["Limits"]));
        Assert.Equal(result.Duration.TotalMilliseconds, ended.Fields["DurationMs"]);
        Assert.Equal(started.Fields["Container"], ended.Fields["Container"]);
        Assert.DoesNotContain(_logger.Entries, e => e.Text.Contains(Secret, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_name_that_was_given_is_told()
    {
        NeedsGroups();
        string name = $"logged-{Guid.NewGuid():n}"[..20];
        await Box.Builder("/bin/true").WithName(name).WithLogger(_logger).RunAsync();
        Assert.All(_logger.Entries, e => Assert.Equal(name, e.Fields["Container"]));
        Assert.Equal([1, 5], _logger.Ids.Where(i => i != 11));
    }

    [Fact]
    public async Task A_step_that_fails_is_told_with_its_errno_and_without_its_subject()
    {
        LaunchException thrown = await Assert.ThrowsAsync<LaunchException>(() =>
            Box.Builder("/bin/true", Secret).WithWorkingDirectory("/" + Secret).WithLogger(_logger).StartAsync());
        RecordingLogger.Entry failed = _logger.Single(2);
        Assert.Equal(("ENOENT", thrown.FailedStep.Number, thrown.Plan.Steps.Length, thrown.FailedStep.Action, thrown.Call, LogLevel.Error),
            (failed.Fields["Errno"], (int)failed.Fields["Step"]!, (int)failed.Fields["Steps"]!, failed.Fields["Action"],
            failed.Fields["Call"], failed.Level));
        Assert.DoesNotContain(Secret, failed.Text);
        Assert.Equal([2], _logger.Ids);
    }

    [Fact]
    public async Task Each_limit_that_is_hit_is_told_before_the_end()
    {
        await Box.Builder("sleep", "100").WithTimeout(TimeSpan.FromMilliseconds(300)).WithLogger(_logger).RunAsync();
        RecordingLogger.Entry hit = _logger.Single(6);
        Assert.Equal((LimitHits.Time, "00:00:00.3000000", LogLevel.Warning), (hit.Fields["Limit"], hit.Fields["Max"], hit.Level));
        Assert.Equal([1, 6, 5], _logger.Ids.Where(i => i != 11));
        var written = new RecordingLogger(LogLevel.Information);
        await Box.Shell("while :; do echo much; done").WithStandardOutput(Stream.Null).WithStandardError(Stdio.Null)
            .WithOutputMax(ByteSize.FromKibibytes(1)).WithLogger(written).RunAsync();
        Assert.Equal(LimitHits.Output, written.Single(6).Fields["Limit"]);
    }

    [Fact]
    public async Task A_refused_call_is_told_once_with_its_name_alone()
    {
        ContainerResult result = await Box.Shell("unshare --net true; unshare --net true; exit 0").WithStandardError(Stdio.Null)
            .WithDenialReport().WithLogger(_logger).RunAsync();
        Assert.Equal(2, Assert.Single(result.Denials).Count);
        RecordingLogger.Entry denied = _logger.Single(7);
        Assert.Equal(("unshare", "unshare", SeccompAction.Deny.ToString(), LogLevel.Warning),
            (denied.Fields["Call"], denied.Fields["ProcessName"], denied.Fields["Action"], denied.Level));
        Assert.DoesNotContain("0x40000000", denied.Text);
    }

    [Fact]
    public async Task Those_who_outlive_the_program_are_told_of()
    {
        NeedsGroups();
        await Box.Shell("sleep 1000 & exit 0").WithLogger(_logger).RunAsync();
        Assert.True(SpinWait.SpinUntil(() => _logger.Ids.Contains(8), TimeSpan.FromSeconds(10)));
        var alone = new RecordingLogger(LogLevel.Information);
        await Box.Shell("exit 0").WithLogger(alone).RunAsync();
        Assert.DoesNotContain(8, alone.Ids);
    }

    [Fact]
    public async Task A_control_group_that_cannot_be_removed_is_told_with_the_errno()
    {
        NeedsGroups();
        Host.NeedsRoot();
        // What ends the container is the end of its process 1, which a process from outside does not share.
        using Process stranger = Process.Start("sleep", "1000");
        Container container = await Box.Builder("sleep", "1000").WithLogger(_logger).StartAsync();
        using var held = Isolation.Cgroups.Cgroup.Open(container.Cgroup!.Path);
        try
        {
            held.AddProcess(stranger.Id);
            await container.DisposeAsync();
        }
        finally
        {
            stranger.Kill();
            await stranger.WaitForExitAsync();
            held.Delete();
        }

        RecordingLogger.Entry left = _logger.Single(9);
        Assert.Equal(("remove its control group", LogLevel.Warning), (left.Fields["Action"], left.Level));
        Assert.StartsWith("EBUSY", (string)left.Fields["Error"]!);
    }

    [Fact]
    public async Task A_start_that_is_cancelled_is_told()
    {
        using var cancel = new CancellationTokenSource();
        LaunchPlan plan = Box.Builder("/bin/true").WithLogger(_logger).Plan();
        Task<Container>[] starts = [.. Enumerable.Range(0, 20).Select(_ => plan.StartAsync(cancel.Token))];
        cancel.Cancel();
        int thrown = 0;
        foreach (Task<Container> start in starts)
        {
            try
            {
                await (await start).DisposeAsync();
            }
            catch (OperationCanceledException)
            {
                thrown++;
            }
        }

        // One that had started before it was cancelled is told by its start and its end.
        int told = _logger.Ids.Count(i => i == 4);
        Assert.InRange(told, 1, thrown);
        Assert.Equal(20, told + _logger.Ids.Count(i => i == 1));
        Assert.DoesNotContain(_logger.Ids, i => i is 2 or 3);
    }

    [Fact]
    public async Task A_stream_that_fails_is_told_by_its_exceptions_type()
    {
        await Box.Shell($"echo {Secret}; sleep 1000").WithStandardOutput(new BrokenStream()).WithLogger(_logger).RunAsync();
        Assert.Equal("InvalidOperationException", _logger.Single(12).Fields["Error"]);
        Assert.DoesNotContain(_logger.Entries, e => e.Text.Contains(Secret, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Fallbacks_are_told_once_for_a_plan()
    {
        var logger = new RecordingLogger();
        LaunchPlan plan = Box.Builder("/bin/true").WithInit().WithLaunchForm(LaunchForm.InMemory).WithLogger(logger).Plan();
        for (int i = 0; i < 3; i++)
            await (await plan.StartAsync()).DisposeAsync();
        RecordingLogger.Entry fallback = Assert.Single(logger.Entries, e => e.Id == 10 && e.Fields["Part"] is "launch form");
        Assert.Equal(("Sealed", LogLevel.Debug), (fallback.Fields["Chosen"], fallback.Level));
        Assert.Equal(3, logger.Ids.Count(i => i == 1));
    }

    [Fact]
    public async Task The_process_wide_factory_is_asked_where_a_container_has_no_logger()
    {
        var other = new RecordingLogger();
        ContainerDiagnostics.LoggerFactory = other;
        try
        {
            await Box.Builder("/bin/true").RunAsync();
            await Box.Builder("/bin/true").WithLogger(_logger).RunAsync();
        }
        finally
        {
            ContainerDiagnostics.LoggerFactory = null;
        }

        await Box.Builder("/bin/true").RunAsync();
        Assert.Equal([ContainerDiagnostics.LoggerCategory], other.Categories);
        Assert.Equal((1, 1), (other.Ids.Count(i => i == 1), other.Ids.Count(i => i == 5)));
        Assert.Single(_logger.Entries, e => e.Id == 1);
    }

    [Fact]
    public async Task A_logger_that_throws_disturbs_nothing()
    {
        var leaks = new Leaks();
        (ContainerResult result, string output) = await Box.Shell("unshare --net true; sleep 1000 & echo out; exit 4").WithDenialReport()
            .WithLogger(new ThrowingLogger()).RunAndReadAsync();
        Assert.Equal(4, result.Status.Code);
        Assert.Contains("out", output);
        LaunchException thrown = await Assert.ThrowsAsync<LaunchException>(() =>
            Box.Builder("/bin/none").WithLogger(new ThrowingLogger()).StartAsync());
        Assert.Equal(Errno.ENOENT, thrown.Errno);
        leaks.AssertNone();
    }

    private static void NeedsGroups() =>
        Assert.SkipUnless(HostFacts.Current.Cgroups.Obstacle is null, $"needs control groups: {HostFacts.Current.Cgroups.Obstacle}");

    private sealed class ThrowingLogger : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) => throw new InvalidOperationException("the logger's own");
    }

    private sealed class BrokenStream : MemoryStream
    {
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            throw new InvalidOperationException("the stream's own");
    }
}
