using System.Text;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Events;
using Isolation.Linux.Syscalls;

namespace Isolation.Cgroups;

/// <summary>An interface file kept open, whose changes the kernel announces to who polls it.</summary>
/// <remarks>The kernel remembers for each open file which announcement the last read has seen; a poll returns at once where there is a
/// later one. So between a read and the next wait nothing is missed.</remarks>
internal sealed class EventFile : IDisposable
{
    private readonly LinuxHandle _file;
    private readonly string _subject;
    private readonly byte[] _buffer = new byte[4096];
    private TaskCompletionSource? _waiter;
    private readonly Lock _gate = new();
    private long _watch = -1;

    private EventFile(LinuxHandle file, string subject) => (_file, _subject) = (file, subject);

    internal static EventFile Open(CgroupDirectory directory, string name) =>
        new(directory.OpenFile(name, Fcntl.O_RDONLY), directory.Name(name));

    /// <summary>Takes over a descriptor that becomes readable or has EPOLLPRI: a pressure trigger, an eventfd.</summary>
    internal static EventFile For(LinuxHandle file, string subject) => new(file, subject);

    internal LinuxHandle Handle => _file;

    /// <summary>The text now.</summary>
    internal string Read()
    {
        SyscallResult length = FileSyscalls.ReadAtStart(_file, _buffer);
        // ENODEV: the control group was deleted, so nothing is in it.
        if (length.Errno == Errno.ENODEV)
            return "";
        length.ThrowIfError("read", _subject, "pread64(2)");
        return Encoding.UTF8.GetString(_buffer, 0, (int)length.Value);
    }

    /// <summary>Waits for the next announcement. One wait at a time.</summary>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <param name="events">EPOLLPRI for files of the kernel's, EPOLLIN for an eventfd.</param>
    internal async Task WaitForChangeAsync(CancellationToken cancellationToken, uint events = DescriptorWatcher.EPOLLPRI)
    {
        var waiter = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            _waiter = waiter;
            if (_watch < 0)
                _watch = DescriptorWatcher.Begin(_file, events, _subject, (_, _) => Happened());
            else
                DescriptorWatcher.Rearm(_watch, events);
        }

        await waiter.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private void Happened()
    {
        lock (_gate)
            _waiter?.TrySetResult();
    }

    /// <summary>The value of a key in a file of <c>KEY VALUE</c> lines; 0 where it is not there.</summary>
    internal static long Value(string text, string key)
    {
        foreach (ReadOnlySpan<char> line in text.AsSpan().EnumerateLines())
        {
            if (line.Length > key.Length && line[key.Length] == ' ' && line.StartsWith(key, StringComparison.Ordinal)
                && long.TryParse(line[(key.Length + 1)..], System.Globalization.NumberStyles.None,
                    System.Globalization.CultureInfo.InvariantCulture, out long value))
                return value;
        }

        return 0;
    }

    internal static bool Flag(string text, string key) => Value(text, key) == 1;

    public void Dispose()
    {
        if (_watch >= 0)
            DescriptorWatcher.End(_watch);
        _file.Dispose();
    }
}
