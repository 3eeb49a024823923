using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Isolation.Linux;
using Isolation.Linux.Events;

namespace Isolation.Net.Netlink;

/// <summary>Reads what the kernel sends to a socket of its own accord, on the event watcher's signal.</summary>
internal sealed class NetlinkMonitor<T> : IDisposable where T : class
{
    private readonly NetlinkSocket _socket;
    private readonly Reader _reader;
    private readonly Queue<T> _read = new();
    private readonly Channel<bool> _signals = Channel.CreateBounded<bool>(new BoundedChannelOptions(1)
    {
        FullMode = BoundedChannelFullMode.DropWrite
    });
    private readonly long _watch;

    internal NetlinkMonitor(NetlinkSocket socket, Reader read)
    {
        _socket = socket;
        _reader = read;
        _watch = DescriptorWatcher.Begin(socket.Handle, DescriptorWatcher.EPOLLIN, "a netlink monitor",
            (_, _) => _signals.Writer.TryWrite(true));
    }

    internal delegate T? Reader(ushort type, ReadOnlySpan<byte> payload);

    internal async IAsyncEnumerable<T> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (true)
        {
            // What a reader before has left goes first: it stopped, the changes did not.
            while (_read.TryDequeue(out T? seen))
                yield return seen;
            if (ReadOne())
                continue;
            DescriptorWatcher.Rearm(_watch, DescriptorWatcher.EPOLLIN);
            if (!await _signals.Reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false))
                yield break;
            _signals.Reader.TryRead(out _);
        }
    }

    public void Dispose()
    {
        DescriptorWatcher.End(_watch);
        _signals.Writer.TryComplete();
        _socket.Dispose();
    }

    /// <summary>Reads one datagram, where one is there.</summary>
    private bool ReadOne()
    {
        try
        {
            return Take();
        }
        catch (NetlinkException e) when (e.Errno == Errno.ENOBUFS)
        {
            // The kernel drops all that is new, and says so no more, until what is kept was read: it is, so that none is lost from here on.
            while (TryTake())
            {
            }

            throw;
        }
        catch (ObjectDisposedException)
        {
            return false; // the monitor was disposed by another thread
        }
    }

    private bool TryTake()
    {
        try
        {
            return Take();
        }
        catch (NetlinkException e) when (e.Errno == Errno.ENOBUFS)
        {
            return true;
        }
    }

    private bool Take()
    {
        ReadOnlySpan<byte> datagram = _socket.Receive("read", "changes", wait: false);
        if (datagram.IsEmpty)
            return false;
        while (!datagram.IsEmpty)
        {
            ReadOnlySpan<byte> message = NetlinkSocket.Next(ref datagram);
            if (_reader(NetlinkSocket.TypeOf(message), message[NetlinkWriter.HeaderLength..]) is { } seen)
                _read.Enqueue(seen);
        }

        return true;
    }
}
