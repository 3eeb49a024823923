using System.Text;
using Isolation.Linux.Abi;
using Isolation.Linux.Events;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Tests;

/// <summary>The law of descriptors: open(2) gives the lowest free number, so a number that is used after a close is a stranger's
/// file. No call of the library may.</summary>
public class HandleTests
{
    [Fact]
    public void A_number_that_is_lent_stays_its_files_until_it_is_given_back()
    {
        LinuxHandle file = Memory("own");
        int number;
        using (Borrow lent = new(file))
        {
            number = lent.Number;
            file.Dispose();
            Assert.Equal("own", FileAt(number));
        }

        Assert.NotEqual("own", FileAt(number));
        Assert.True(file.IsClosed);
    }

    [Fact]
    public void Handles_that_are_held_stay_open_until_they_are_released_together()
    {
        LinuxHandle first = Memory("first"), second = Memory("second");
        var held = new HeldHandles();
        int one = held.Hold(first), two = held.Hold(second);
        first.Dispose();
        second.Dispose();
        Assert.Equal(("first", "second"), (FileAt(one), FileAt(two)));
        held.Dispose();
        Assert.NotEqual("first", FileAt(one));
        Assert.NotEqual("second", FileAt(two));
        Assert.Throws<ObjectDisposedException>(() => held.Hold(first));
    }

    [Fact]
    public void A_closed_handle_is_refused_by_every_call()
    {
        LinuxHandle file = Memory("closed"), open = Memory("open");
        file.Dispose();
        Action[] calls =
        [
            () => FileSyscalls.Read(file, new byte[1]),
            () => FileSyscalls.Write(file, "x"u8),
            () => FileSyscalls.OpenAt(file, "x", 0),
            () => FileSyscalls.Stat(file, out _),
            () => FileSyscalls.Ioctl(file, 0, 0),
            () => PollSyscalls.IsReadable(file),
            () => PollSyscalls.WaitForFirst(open, file),
            () => WaitSyscalls.Reap(file, block: false),
            () => BpfSyscalls.Detach(open, file, 0),
            () => SeccompSyscalls.AddDescriptor(open, 0, file, 0, 0, 0),
            () => DescriptorWatcher.Begin(file, DescriptorWatcher.EPOLLIN, "a closed file", (_, _) => { }),
            () => file.TakeDescriptor(),
        ];
        Assert.All(calls, call => Assert.Throws<ObjectDisposedException>(call));
        open.Dispose();
    }

    /// <summary>A descriptor that a finaliser closed would be the next file's, which others then write to.</summary>
    [Fact]
    public void A_standard_stream_that_nobody_holds_any_more_stays_open()
    {
        static void Open()
        {
            foreach (StandardStream stream in new[] { StandardStream.OpenInput(), StandardStream.OpenOutput(), StandardStream.OpenError() })
                Assert.NotEqual(stream.CanRead, stream.CanWrite);
            StandardStream.OpenInput().Dispose();
        }

        string[] before = [.. Enumerable.Range(0, 3).Select(d => new FileInfo($"/proc/self/fd/{d}").LinkTarget ?? "closed")];
        Open();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Assert.Equal(before, Enumerable.Range(0, 3).Select(d => new FileInfo($"/proc/self/fd/{d}").LinkTarget ?? "closed"));
    }

    [Fact]
    public void A_closed_pidfd_signals_nobody()
    {
        PidHandle self = PidHandle.Open(Environment.ProcessId);
        self.SendSignal(Signal.None);
        self.Dispose();
        Assert.Throws<ObjectDisposedException>(() => self.SendSignal(Signal.None));
        Assert.Equal(Errno.ESRCH, self.TrySendSignal(Signal.None).Errno);
    }

    /// <summary>A read that waits holds its file: the dispose neither waits for it nor lets the number go.</summary>
    [Fact]
    public void A_file_that_is_disposed_while_a_read_waits_is_closed_when_the_read_is_over()
    {
        (LinuxHandle read, LinuxHandle write) = Pipe();
        int number;
        using (Borrow lent = new(read))
            number = lent.Number;
        string pipe = FileAt(number)!;
        byte[] buffer = new byte[1];
        long length = -1;
        using var begun = new ManualResetEventSlim();
        var reader = new Thread(() =>
        {
            using Borrow lent = new(read); // what a call does, begun before the dispose for certain
            begun.Set();
            length = FileSyscalls.Read(read, buffer).Value;
        });
        reader.Start();
        begun.Wait(TestContext.Current.CancellationToken);
        read.Dispose();
        Assert.Equal(pipe, FileAt(number));
        FileSyscalls.Write(write, "x"u8);
        Assert.True(reader.Join(TimeSpan.FromSeconds(10)));
        Assert.Equal((1, (byte)'x'), (length, buffer[0]));
        Assert.NotEqual(pipe, FileAt(number));
        write.Dispose();
    }

    [Fact]
    public async Task A_file_that_is_watched_is_watched_to_the_end_although_it_was_disposed()
    {
        (LinuxHandle read, LinuxHandle write) = Pipe();
        var seen = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        int number;
        using (Borrow lent = new(read))
            number = lent.Number;
        string pipe = FileAt(number)!;
        DescriptorWatcher.Begin(read, DescriptorWatcher.EPOLLIN, "a pipe", (watch, _) => seen.TrySetResult(watch));
        read.Dispose();
        Assert.Equal(pipe, FileAt(number));
        FileSyscalls.Write(write, "x"u8);
        DescriptorWatcher.End(await seen.Task.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken));
        Assert.NotEqual(pipe, FileAt(number));
        write.Dispose();
    }

    /// <summary>A reader against a dispose that is followed by another file's opening,
    /// which gets the number that has become free.</summary>
    [Fact]
    public void No_read_that_races_with_a_dispose_reads_a_strangers_file()
    {
        int rounds = Host.IsLong ? 100_000 : 3000;
        int strangers = 0;
        LinuxHandle? file = null;
        using var barrier = new Barrier(2);
        // One reader: several that always overlap would keep the file open for ever.
        var reader = new Thread(Read);
        reader.Start();
        for (int i = 0; i < rounds; i++)
        {
            file = Memory("own");
            barrier.SignalAndWait();
            file.Dispose();
            using LinuxHandle stranger = Memory("stranger");
            barrier.SignalAndWait();
        }

        reader.Join();
        Assert.Equal(0, strangers);

        void Read()
        {
            byte[] buffer = new byte[16];
            for (int i = 0; i < rounds; i++)
            {
                barrier.SignalAndWait();
                try
                {
                    while (true)
                    {
                        long length = FileSyscalls.ReadAtStart(file!, buffer).Value;
                        if (length < 0 || !buffer.AsSpan(0, (int)length).SequenceEqual("own"u8))
                            Interlocked.Increment(ref strangers);
                    }
                }
                catch (ObjectDisposedException)
                {
                }

                barrier.SignalAndWait();
            }
        }
    }

    private static LinuxHandle Memory(string content)
    {
        var file = new LinuxHandle((int)MemoryFile.Create(content).Value);
        Assert.True(MemoryFile.Write(file, 0, Encoding.ASCII.GetBytes(content)));
        return file;
    }

    private static (LinuxHandle Read, LinuxHandle Write) Pipe()
    {
        using var pipe = new System.IO.Pipes.AnonymousPipeServerStream(System.IO.Pipes.PipeDirection.Out);
        return (Copy(pipe.ClientSafePipeHandle), Copy(pipe.SafePipeHandle));

        static LinuxHandle Copy(System.Runtime.InteropServices.SafeHandle end) =>
            new((int)RawSyscall.Invoke(Syscall.fcntl, end, Fcntl.F_DUPFD_CLOEXEC, 3).Value);
    }

    /// <summary>What a number stands for in this process: the name of a file in memory, or pipe:[INODE]; null where it is free.</summary>
    private static string? FileAt(int number) =>
        new FileInfo($"/proc/self/fd/{number}").LinkTarget is { } target
            ? target.StartsWith("/memfd:", StringComparison.Ordinal) ? target[7..].Split(' ')[0] : target
            : null;
}
