using System.Text;
using System.Text.RegularExpressions;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Linux.Syscalls;

namespace Isolation.Kernel.Tests;

/// <summary>What a container writes and reads, by way of this process.</summary>
public class OutputTests
{
    private static readonly TimeSpan s_soon = TimeSpan.FromSeconds(20);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Both_streams_and_the_end_are_captured()
    {
        ContainerOutput output = await Box.Shell("echo out; echo err >&2; exit 3").CaptureAsync(Cancelled);
        Assert.Equal(("out\n", "err\n", 3, false), (output.StandardOutput, output.StandardError, output.ExitCode, output.IsSuccess));
        ContainerFailedException e = Assert.Throws<ContainerFailedException>(output.ThrowIfFailed);
        Assert.Equal("The container failed: exited with code 3. Standard error ends with: err", e.Message);
        Assert.Same(output.Result, e.Result);
    }

    [Fact]
    public async Task A_signal_is_told_as_a_shell_tells_it()
    {
        // sh(1), "Exit Status": more than 128 for a signal.
        ContainerOutput output = await Box.Shell("kill -TERM $$").CaptureAsync(Cancelled);
        Assert.Equal((128 + 15, Signal.SIGTERM, false), (output.ExitCode, output.Result.Status.Signal, output.IsSuccess));
    }

    [Fact]
    public async Task Megabytes_both_ways_neither_hang_nor_change()
    {
        // pipe(7): either pipe holds 64 KiB.
        byte[] content = new byte[5_000_000];
        new Random(1).NextBytes(content);
        ContainerOutput output = await Box.Shell("tee /dev/stderr").WithStandardInput(content).CaptureAsync(Cancelled).WaitAsync(s_soon);
        Assert.True(output.StandardOutputBytes.Span.SequenceEqual(content));
        Assert.True(output.StandardErrorBytes.Span.SequenceEqual(content));
    }

    [Fact]
    public async Task Input_is_a_text_or_a_stream_and_then_its_end()
    {
        Assert.Equal("grüße", await Box.Builder("cat").WithStandardInput("grüße").OutputAsync());
        Assert.Equal("5", await Box.Shell("wc -c").WithStandardInput(new MemoryStream("12345"u8.ToArray())).OutputAsync());
        Assert.Equal("", await Box.Builder("cat").WithStandardInput("").OutputAsync());
        // who does not read is no failure: EPIPE of write(2)
        ContainerOutput output = await Box.Builder("/bin/true").WithStandardInput(new byte[1_000_000]).CaptureAsync(Cancelled);
        Assert.True(output.IsSuccess && output.Result.StreamFailure is null, output.ToString());
    }

    [Fact]
    public async Task A_source_that_waits_does_not_hold_the_end()
    {
        using var never = new WaitingStream();
        ContainerOutput output = await Box.Shell("echo done").WithStandardInput(never).CaptureAsync(Cancelled).WaitAsync(s_soon);
        Assert.Equal("done\n", output.StandardOutput);
    }

    [Fact]
    public async Task A_source_that_fails_never_ends_like_a_whole_one()
    {
        using var broken = new BrokenStream();
        ContainerOutput output = await Box.Shell("cat > /dev/null; echo complete; sleep 100").WithStandardInput(broken)
            .CaptureAsync(Cancelled).WaitAsync(s_soon);
        Assert.Equal(("broken on purpose", true), (output.Result.StreamFailure?.Message, output.Result.Killed));
        Assert.Same(output.Result.StreamFailure, Assert.Throws<ContainerFailedException>(output.ThrowIfFailed).InnerException);
    }

    [Theory]
    [InlineData("yes")]
    [InlineData("yes >&2")]
    [InlineData("yes & yes >&2 & wait")]
    [InlineData("head -c 100000000 /dev/zero; exit 0")]
    public async Task Too_much_output_ends_the_container_and_is_told(string script)
    {
        ContainerOutput output = await Box.Shell(script).WithOutputMax(ByteSize.FromKibibytes(100)).CaptureAsync(Cancelled)
            .WaitAsync(s_soon);
        Assert.Equal(LimitHits.Output, output.Result.Limits);
        Assert.Equal(102_400, output.StandardOutputBytes.Length + output.StandardErrorBytes.Length);
        Assert.False(output.IsSuccess);
        Assert.Contains("it wrote more than it may", output.ToString());
    }

    [Fact]
    public async Task A_capture_has_a_limit_by_itself()
    {
        ContainerOutput output = await Box.Builder("yes").CaptureAsync(Cancelled).WaitAsync(s_soon);
        Assert.Equal((LimitHits.Output, 16 << 20), (output.Result.Limits, output.StandardOutputBytes.Length));
    }

    [Fact]
    public async Task As_much_as_the_limit_is_not_too_much()
    {
        ContainerOutput output = await Box.Shell("head -c 102400 /dev/zero").WithOutputMax(ByteSize.FromKibibytes(100))
            .CaptureAsync(Cancelled);
        Assert.Equal((LimitHits.None, 102_400, true),
            (output.Result.Limits, output.StandardOutputBytes.Length, output.IsSuccess));
    }

    [Fact]
    public void A_limit_of_output_that_nobody_counts_is_a_fault()
    {
        Assert.Contains("process.stdout: must be a pipe, a stream or nothing for a limit of output",
            Assert.Throws<SpecException>(() => Box.Builder("yes").WithOutputMax(ByteSize.FromKibibytes(1)).Build()).Message);
        Assert.Contains("process.stdin: must be something to read from",
            Assert.Throws<SpecException>(() => Box.Builder("yes").WithStandardInput(Stdio.To(Stream.Null)).Build()).Message);
        Assert.Contains("process.stderr: must be something to write to",
            Assert.Throws<SpecException>(() => Box.Builder("yes").WithStandardError(Stdio.Text("x")).Build()).Message);
    }

    [Fact]
    public async Task What_was_written_before_the_time_was_over_is_captured()
    {
        ContainerOutput output = await Box.Shell("echo before; sleep 100").WithTimeout(TimeSpan.FromSeconds(1)).CaptureAsync(Cancelled);
        Assert.Equal(("before\n", true), (output.StandardOutput, output.Result.TimedOut));
    }

    [Fact]
    public async Task Both_outputs_go_to_one_stream_or_writer_in_whole_parts()
    {
        using var stream = new MemoryStream();
        using var writer = new StringWriter();
        ContainerBuilder builder = Box.Shell("echo aä; echo bö >&2");
        Assert.True((await builder.WithStandardOutput(stream).WithStandardError(stream).RunAsync(Cancelled)).IsSuccess);
        Assert.True((await builder.WithStandardOutput(writer).WithStandardError(writer).RunAsync(Cancelled)).IsSuccess);
        Assert.Equal(["aä", "bö"], Encoding.UTF8.GetString(stream.ToArray()).Split('\n', StringSplitOptions.RemoveEmptyEntries).Order());
        Assert.Equal(["aä", "bö"], writer.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Order());
    }

    [Fact]
    public async Task A_copy_that_fails_ends_the_container_and_is_told()
    {
        using var broken = new BrokenStream();
        ContainerResult result = await Box.Builder("yes").WithStandardOutput(broken).RunAsync(Cancelled).WaitAsync(s_soon);
        Assert.Equal(("broken on purpose", true), (result.StreamFailure?.Message, result.Killed));
    }

    [Fact]
    public async Task Lines_come_while_the_program_runs()
    {
        var lines = new List<OutputLine>();
        await foreach (OutputLine line in Box.Shell("echo one; read x < /proc/self/nothing; echo two >&2; printf 'last\\r\\nwithout'")
            .ReadLinesAsync(Cancelled))
            lines.Add(line);
        Assert.Equal(["one", "last", "without"], lines.Where(l => l.Source == OutputSource.StandardOutput).Select(l => l.Text));
        Assert.Equal("two", lines.Last(l => l.Source == OutputSource.StandardError).Text);
    }

    [Fact]
    public async Task An_output_that_somebody_outside_holds_is_not_waited_for_and_told()
    {
        // pidfd_getfd(2): the pipe's writing end lives on in this process.
        using var holder = new MemoryStream();
        await using Container process = await Box.Shell("echo mine; sleep 1").WithStandardOutput(holder).StartAsync(Cancelled);
        SyscallResult held = RawSyscall.Invoke(Syscall.pidfd_getfd, process.Process, 1);
        Assert.SkipWhen(held.IsError, $"pidfd_getfd(2): {held.Errno}");
        using var end = new LinuxHandle((int)held.Value);
        ContainerResult result = await process.WaitAsync(Cancelled).WaitAsync(s_soon);
        Assert.Equal("mine\n", Encoding.UTF8.GetString(holder.ToArray()));
        Assert.Contains("still holds its output", result.StreamFailure?.Message);
        Assert.Equal(0, result.ExitCode);
    }

    [Fact]
    public async Task A_loop_that_is_left_early_ends_the_container()
    {
        ContainerBuilder builder = Box.Shell("echo $$; sleep 1000");
        int[] before = [];
        for (int i = 0; i < 2; i++)
        {
            await foreach (OutputLine line in builder.ReadLinesAsync(Cancelled))
            {
                Assert.Equal("2", line.Text);
                break;
            }

            // What removes control groups stays from the first on.
            if (i == 0)
                before = [.. Leaks.Children()];
        }

        Assert.Equal(before, Leaks.Children());
    }

    [Fact]
    public async Task A_program_that_fails_is_told_after_its_last_line()
    {
        int lines = 0;
        ContainerFailedException e = await Assert.ThrowsAsync<ContainerFailedException>(async () =>
        {
            await foreach (OutputLine line in Box.Shell("echo a; echo b; exit 4").ReadLinesAsync(Cancelled))
                lines++;
        });
        Assert.Equal((2, 4), (lines, e.Result.ExitCode));
    }

    [Fact]
    public async Task A_line_of_any_length_comes_in_parts_of_whole_characters()
    {
        // 100,000 times two bytes: 65,536 is even, so one byte before them moves the border into a character.
        var parts = new List<OutputLine>();
        string text = "x" + new string('ä', 100_000);
        await foreach (OutputLine line in Box.Builder("cat").WithStandardInput(text + "\nend").ReadLinesAsync(Cancelled))
            parts.Add(line);
        Assert.Equal([text, "end"], [string.Concat(parts[..^1].Select(p => p.Text)), parts[^1].Text]);
        Assert.Equal([true, true, true, false, false], parts.Select(p => p.IsPartial));
        Assert.All(parts, p => Assert.InRange(Encoding.UTF8.GetByteCount(p.Text), 0, OutputLine.MaxBytes));
    }

    [Fact]
    public async Task A_service_is_awaited_by_its_line_and_its_port_and_stopped()
    {
        Assert.SkipWhen(Host.FindTool("socat") is null, "needs socat");
        await using Container service = await Box.Shell(
            "trap 'echo bye; exit 5' TERM; echo starting; echo ready; i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; "
                + "socat TCP-LISTEN:8080,fork - & wait").WithStandardOutput(Stdio.Pipe).StartAsync(Cancelled);
        Assert.Equal("ready", (await service.WaitForLineAsync(new Regex("^rea"), Cancelled).WaitAsync(s_soon)).Text);
        // nobody takes 20,000 lines: more than a pipe holds, and it goes on
        await service.WaitForPortAsync(8080, Cancelled).WaitAsync(s_soon);
        ContainerResult result = await service.StopAsync(s_soon, Cancelled);
        Assert.Equal((5, false), (result.ExitCode, result.Killed));
    }

    [Fact]
    public async Task Who_does_not_stop_is_killed_after_the_grace()
    {
        await using Container process = await Box.Shell("trap '' TERM; echo ready; sleep 1000; sleep 1000")
            .WithStandardOutput(Stdio.Pipe).StartAsync(Cancelled);
        await process.WaitForLineAsync(new Regex("ready"), Cancelled);
        ContainerResult result = await process.StopAsync(TimeSpan.FromMilliseconds(300), Cancelled).WaitAsync(s_soon);
        Assert.Equal((Signal.SIGKILL, true), (result.Status.Signal, result.Killed));
    }

    [Fact]
    public async Task What_never_comes_is_told_by_the_end()
    {
        await using Container process = await Box.Shell("echo a; exit 6").WithStandardOutput(Stdio.Pipe).StartAsync(Cancelled);
        ContainerFailedException e = await Assert.ThrowsAsync<ContainerFailedException>(
            () => process.WaitForLineAsync(new Regex("never"), Cancelled).WaitAsync(s_soon));
        Assert.Equal(6, e.Result.ExitCode);
        e = await Assert.ThrowsAsync<ContainerFailedException>(() => process.WaitForPortAsync(1, Cancelled).WaitAsync(s_soon));
        Assert.Equal(6, e.Result.ExitCode);
        await using Container silent = await Box.Builder("/bin/true").StartAsync(Cancelled);
        Assert.Throws<InvalidOperationException>(() => silent.ReadLinesAsync(Cancelled));
    }

    /// <summary>Gives a little, and then an exception; takes nothing.</summary>
    private sealed class BrokenStream : MemoryStream
    {
        private bool _gave;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await Task.Yield();
            if (_gave)
                throw new InvalidOperationException("broken on purpose");
            _gave = true;
            return 10;
        }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            throw new InvalidOperationException("broken on purpose");
    }

    /// <summary>Gives nothing, and looks at no token.</summary>
    private sealed class WaitingStream : MemoryStream
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await Task.Delay(Timeout.Infinite, CancellationToken.None);
            return 0;
        }
    }
}
