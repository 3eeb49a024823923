using System.Diagnostics;
using Isolation.Containers;
using Isolation.Linux;

namespace Isolation.Kernel.Tests;

/// <summary>A container's pipes and terminal are read and written without a thread each, and time limits need no thread pool.</summary>
public class StreamTests
{
    private static readonly TimeSpan s_soon = TimeSpan.FromSeconds(10);

    private static ContainerBuilder Piped(ContainerBuilder builder) => builder.WithStandardInput(Stdio.Pipe).WithStandardOutput(Stdio.Pipe)
        .WithStandardError(Stdio.Pipe);

    [Fact]
    public async Task A_time_limit_holds_while_the_thread_pool_is_full_and_pipes_are_read()
    {
        // The figure of the whole lane: 80 containers and 2 s.
        (int count, TimeSpan limit, TimeSpan allowed) = Host.IsLong
            ? (80, TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(2.2)) : (10, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(3));
        LaunchPlan plan = Piped(Box.Shell("echo hi; exec sleep 1000")).WithTimeout(limit).Plan();
        Container[] processes = await Task.WhenAll(Enumerable.Range(0, count).Select(_ => plan.StartAsync()));
        Task<int>[] reads = [.. processes.SelectMany(p => new[] { p.StandardOutput!, p.StandardError! })
            .Select(s => s.ReadAsync(new byte[100]).AsTask())];
        using var free = new ManualResetEventSlim();
        for (int i = 0; i < 500; i++)
            ThreadPool.QueueUserWorkItem(_ => free.Wait());
        var results = new ContainerResult[count];
        // Not on the pool, which is full.
        var waiting = new Thread(() =>
        {
            for (int i = 0; i < count; i++)
                results[i] = processes[i].WaitAsync().GetAwaiter().GetResult();
            free.Set();
        });
        waiting.Start();
        Assert.True(waiting.Join(TimeSpan.FromSeconds(30)), "not all containers ended");
        Assert.All(results, r => Assert.True(r.TimedOut));
        TimeSpan longest = results.Max(r => r.Duration);
        TestContext.Current.TestOutputHelper
            ?.WriteLine($"{count} containers limited to {limit.TotalMilliseconds} ms ran for at most {longest.TotalMilliseconds:F0} ms");
        Assert.InRange(longest, limit, allowed);
        await Task.WhenAll(reads).WaitAsync(s_soon);
        foreach (Container process in processes)
            await process.DisposeAsync();
    }

    [Fact]
    public async Task Waiting_reads_and_writes_hold_no_threads()
    {
        int count = Host.IsLong ? 500 : 40;
        LaunchPlan plan = Piped(Box.Builder("/bin/sleep", "1000")).Plan();
        await using (await plan.StartAsync())
        {
            // the watcher and the launcher threads are there
        }

        var processes = new List<Container>();
        for (int i = 0; i < count; i++)
            processes.Add(await plan.StartAsync());
        using var stop = new CancellationTokenSource();
        Task[] waits =
        [
            .. processes.Select(p => p.StandardOutput!.ReadAsync(new byte[1], stop.Token).AsTask()),
            .. processes.Select(p => p.StandardError!.ReadAsync(new byte[1], stop.Token).AsTask()),
            .. processes.Select(p => p.StandardInput!.WriteAsync(new byte[100_000], stop.Token).AsTask()),
            .. processes.Select(p => p.WaitAsync(stop.Token)),
        ];
        await Task.Delay(200);
        int threads = Directory.EnumerateDirectories("/proc/self/task").Count();
        TestContext.Current.TestOutputHelper?.WriteLine($"{count} containers with three pipes waited for: {threads} threads");
        Assert.All(waits, w => Assert.False(w.IsCompleted));
        // Far fewer than there are waits; where all is slow, the pool has added some meanwhile.
        Assert.InRange(threads, 1, (Host.IsEmulated ? 50 : 30) + (2 * Environment.ProcessorCount));
        long start = Stopwatch.GetTimestamp();
        stop.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Task.WhenAll(waits)).WaitAsync(s_soon);
        Assert.All(waits, w => Assert.True(w.IsCanceled));
        Assert.InRange(Stopwatch.GetElapsedTime(start).TotalSeconds, 0, 2);
        await Task.WhenAll(processes.Select(p => p.DisposeAsync().AsTask()));
    }

    [Fact]
    public async Task A_read_that_is_cancelled_loses_nothing_that_comes_later()
    {
        await using Container process = await Piped(Box.Shell("read line; echo $line")).StartAsync();
        using (var cancel = new CancellationTokenSource(50))
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => process.StandardOutput!.ReadAsync(new byte[100], cancel.Token)
                .AsTask()).WaitAsync(s_soon);
        await process.StandardInput!.WriteAsync("later\n"u8.ToArray());
        Assert.Equal("later\n", await new StreamReader(process.StandardOutput!).ReadToEndAsync());
    }

    [Fact]
    public async Task A_closed_stream_ends_what_waits_on_it()
    {
        Container process = await Piped(Box.Builder("/bin/sleep", "1000")).StartAsync();
        Task<int> read = process.StandardOutput!.ReadAsync(new byte[1]).AsTask();
        Task write = process.StandardInput!.WriteAsync(new byte[1_000_000]).AsTask();
        process.StandardOutput.Dispose();
        process.StandardInput.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => read).WaitAsync(s_soon);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => write).WaitAsync(s_soon);
        await process.DisposeAsync();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task All_bytes_go_through_both_ways_at_once(bool asynchronously)
    {
        var sent = new byte[3_000_000];
        new Random(1).NextBytes(sent);
        await using Container process = await Piped(Box.Builder("/bin/cat")).StartAsync();
        using var received = new MemoryStream();
        Task reading = asynchronously
            ? process.StandardOutput!.CopyToAsync(received)
            : Task.Run(() => process.StandardOutput!.CopyTo(received));
        if (asynchronously)
            await process.StandardInput!.WriteAsync(sent);
        else
            process.StandardInput!.Write(sent);
        process.StandardInput!.Dispose();
        await reading.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.True(received.ToArray().AsSpan().SequenceEqual(sent));
    }

    [Fact]
    public async Task A_terminal_is_read_and_written_at_once()
    {
        await using Container process = await Box.Shell("stty -echo; echo ready; read line; echo \"<$line>\"")
            .WithTerminal().StartAsync();
        var reader = new StreamReader(process.Terminal!.Stream);
        Assert.Equal("ready", await reader.ReadLineAsync());
        Task<string?> answer = reader.ReadLineAsync();
        await process.Terminal.Stream.WriteAsync("typed\n"u8.ToArray());
        Assert.Equal("<typed>", await answer.WaitAsync(s_soon));
        await process.WaitAsync();
        // pty(7): the master's read fails once the last slave is closed.
        IOException end = await Assert.ThrowsAsync<IOException>(() => process.Terminal.Stream.ReadAsync(new byte[1]).AsTask());
        Assert.Equal((int)Errno.EIO, end.HResult);
        Assert.Contains("the container's terminal", end.Message);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_containers_own_ends_stay_blocking(bool terminal)
    {
        // proc_pid_fdinfo(5): flags are octal; O_NONBLOCK is 04000 (fcntl.h of x86-64 and arm64).
        const string Script = "for fd in 0 1 2; do sed -n 's/^flags:[[:space:]]*//p' /proc/self/fdinfo/$fd <&$fd; done";
        string output;
        ContainerBuilder builder = Box.Shell(Script);
        await using Container process = await (terminal ? builder.WithTerminal() : Piped(builder)).StartAsync();
        if (terminal)
            output = string.Concat(new[] { await Line(), await Line(), await Line() });
        else
            output = await new StreamReader(process.StandardOutput!).ReadToEndAsync();
        string[] flags = output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        Assert.Equal(3, flags.Length);
        Assert.All(flags, f => Assert.Equal(0, Convert.ToInt32(f, 8) & 0x800));

        async Task<string> Line()
        {
            var text = new System.Text.StringBuilder();
            var one = new byte[1];
            do
            {
                Assert.Equal(1, await process.Terminal!.Stream.ReadAsync(one));
                text.Append((char)one[0]);
            }
            while (one[0] != '\n');
            return text.ToString();
        }
    }

    [Fact]
    public async Task Writing_to_a_program_that_has_ended_is_an_error_that_names_the_stream()
    {
        await using Container process = await Piped(Box.Builder("/bin/true")).StartAsync();
        await process.WaitAsync();
        IOException error = Assert.Throws<IOException>(() => process.StandardInput!.Write("x"u8));
        Assert.Equal("Cannot write the container's standard input: write(2) failed with EPIPE (nobody reads the other end).",
            error.Message);
        Assert.Equal(0, process.StandardOutput!.Read(new byte[1]));
    }

    [Fact]
    public async Task RunAsync_refuses_streams_that_nobody_would_read()
    {
        SpecException pipes = await Assert.ThrowsAsync<SpecException>(() => Piped(Box.Builder("/bin/true")).RunAsync());
        Assert.Equal(["process.stdin", "process.stdout", "process.stderr"], pipes.Faults.Select(f => f.Path));
        SpecException terminal = await Assert.ThrowsAsync<SpecException>(() => Box.Builder("/bin/true").WithTerminal().RunAsync());
        Assert.Equal("process.terminal: must not be used in RunAsync, which hands out no streams: use StartAsync",
            terminal.Faults.Single().ToString());
        Assert.Equal(0, (await Box.Builder("/bin/true").RunAsync()).Status.Code);
    }
}
