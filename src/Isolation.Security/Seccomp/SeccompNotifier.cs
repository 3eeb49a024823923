using Isolation.Linux;
using Isolation.Linux.Events;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>Receives calls with <see cref="SeccompAction.UserNotify"/> on a thread of its own and answers them by a
/// handler. See seccomp_unotify(2).</summary>
/// <remarks>A handler that throws refuses the call with <c>EPERM</c>, and <see cref="Failure"/> keeps the exception. When the notifier is
/// disposed the listener is closed: calls that wait, and those to come, fail with <c>ENOSYS</c>. A handler that is at work then has half a
/// second to return; what it answers later reaches nobody.</remarks>
/// <example><code>
/// using SeccompNotifier notifier = SeccompNotifier.Start(listener, call =>
///     new(call.Call.Name == "mkdirat" ? SeccompReply.Fail(Errno.EROFS) : SeccompReply.Continue));
/// </code></example>
public sealed class SeccompNotifier : IDisposable
{
    private static readonly TimeSpan s_grace = TimeSpan.FromMilliseconds(500);

    private readonly LinuxHandle? _socket;
    private readonly SeccompHandler _handler;
    private readonly LinuxHandle _stop;
    private readonly Thread _thread;
    private readonly TaskCompletionSource _received = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private SeccompListener? _listener;
    private volatile bool _isDisposed, _isLeftBehind;
    private long _answered;

    private SeccompNotifier(SeccompListener? listener, LinuxHandle? socket, SeccompHandler handler)
    {
        (_listener, _socket, _handler) = (listener, socket, handler);
        SyscallResult stop = FileSyscalls.EventFd();
        stop.ThrowIfError("create", "an event descriptor", "eventfd2(2)");
        _stop = new LinuxHandle((int)stop.Value);
        _thread = new Thread(Loop) { IsBackground = true, Name = "seccomp notifier" };
    }

    /// <summary>Ends when no process is left that could call, or when the notifier is disposed.</summary>
    public Task Ended => _ended.Task;

    /// <summary>How many calls were answered.</summary>
    public long Answered => Interlocked.Read(ref _answered);

    /// <summary>The first exception of the handler, or what has ended the answering early; null if there was none.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>Starts to answer.</summary>
    /// <param name="listener">Where the calls wait; the notifier owns it from here on.</param>
    /// <param name="handler">Answers each. Called on the notifier's thread; what it awaits may go on elsewhere.</param>
    /// <exception cref="LinuxException"><c>EMFILE</c>, <c>EAGAIN</c>: there is no descriptor or no thread for it. The listener is
    /// closed.</exception>
    public static SeccompNotifier Start(SeccompListener listener, SeccompHandler handler)
    {
        ArgumentNullException.ThrowIfNull(listener);
        ArgumentNullException.ThrowIfNull(handler);
        return Start(listener, null, handler);
    }

    /// <summary>Starts to wait for a listener that comes over a socket, and then to answer:
    /// the process that loads the filter may need an answer before it can do anything else.</summary>
    /// <exception cref="LinuxException">There is no descriptor or no thread for it. The socket is closed.</exception>
    internal static SeccompNotifier StartReceiving(LinuxHandle socket, SeccompHandler handler) => Start(null, socket, handler);

    private static SeccompNotifier Start(SeccompListener? listener, LinuxHandle? socket, SeccompHandler handler)
    {
        SeccompNotifier? notifier = null;
        try
        {
            notifier = new SeccompNotifier(listener, socket, handler);
            OwnThread.Start(notifier._thread);
            return notifier;
        }
        catch
        {
            notifier?._stop.Dispose();
            listener?.Dispose();
            socket?.Dispose();
            throw;
        }
    }

    /// <summary>Waits until the listener has come over the socket. It was sent, so that is soon.</summary>
    /// <exception cref="LinuxException">It could not be received; nobody will answer.</exception>
    internal void AwaitListener() => _received.Task.GetAwaiter().GetResult();

    /// <summary>Stops answering and closes the listener, whether or not a handler returns.</summary>
    public void Dispose()
    {
        if (_isDisposed)
            return;
        _isDisposed = true;
        FileSyscalls.Write(_stop, BitConverter.GetBytes(1ul));
        bool ended = Thread.CurrentThread == _thread || _thread.Join(s_grace);
        _listener?.Dispose();
        _socket?.Dispose();
        if (ended)
        {
            _stop.Dispose();
            return;
        }

        _isLeftBehind = true;
        Failure ??= new TimeoutException("A handler did not return when the notifier was disposed.");
        _ended.TrySetResult();
    }

    private void Loop()
    {
        try
        {
            if (_socket is not null)
                TakeListener(_socket);
            if (_listener is { } listener)
            {
                SeccompSyscalls.WakeSynchronously(listener);
                var buffer = new byte[SeccompSyscalls.NotificationSize];
                while (!_isDisposed && Next(listener, buffer) is { } call) // a handler may have disposed it
                    Handle(call);
            }
        }
        catch (LinuxException e)
        {
            Failure ??= e;
            _received.TrySetException(e);
        }

        // Nobody answers from here on: what calls must not wait for ever.
        _listener?.Dispose();
        if (_isLeftBehind)
            _stop.Dispose();
        _ended.TrySetResult();
    }

    private void TakeListener(LinuxHandle socket)
    {
        if (PollSyscalls.WaitForFirst(socket, _stop))
        {
            SyscallResult sent = SocketSyscalls.ReceiveDescriptor(socket);
            sent.ThrowIfError("receive", "the listener of a seccomp filter", "recvmsg(2)");
            _listener = new SeccompListener((int)sent.Value);
        }

        _received.TrySetResult();
    }

    /// <summary>The next call; null where there will be none. The listener is held meanwhile, and not while a handler is at work.</summary>
    private SeccompNotification? Next(SeccompListener listener, byte[] buffer)
    {
        bool held = false;
        try
        {
            listener.DangerousAddRef(ref held);
            while (PollSyscalls.WaitForFirst(listener, _stop))
            {
                SyscallResult received = SeccompSyscalls.Receive(listener, buffer);
                if (!received.IsError)
                    return new SeccompNotification(listener, buffer);
                // The caller was killed between the two calls, or this thread got a signal.
                if (received.Errno is not (Errno.ENOENT or Errno.EINTR))
                    received.ThrowIfError("receive", "a call", "ioctl(2) SECCOMP_IOCTL_NOTIF_RECV");
            }

            return null;
        }
        catch (ObjectDisposedException)
        {
            return null;
        }
        finally
        {
            if (held)
                listener.DangerousRelease();
        }
    }

    private void Handle(SeccompNotification call)
    {
        ValueTask<SeccompReply> reply;
#pragma warning disable CA1031 // Whatever the handler throws: the call is refused, the exception kept.
        try
        {
            reply = _handler(call);
            if (reply.IsCompletedSuccessfully)
            {
                Answer(call, reply.Result);
                return;
            }
        }
        catch (Exception e)
        {
            Refuse(call, e);
            return;
        }

        _ = Finish(call, reply);

        async Task Finish(SeccompNotification waiting, ValueTask<SeccompReply> pending)
        {
            try
            {
                Answer(waiting, await pending.ConfigureAwait(false));
            }
            catch (Exception e)
            {
                Refuse(waiting, e);
            }
        }
#pragma warning restore CA1031
    }

    private void Refuse(SeccompNotification call, Exception failure)
    {
        Failure ??= failure;
        Answer(call, SeccompReply.Fail(Errno.EPERM));
    }

    private void Answer(SeccompNotification call, SeccompReply reply)
    {
        // A closed listener, and a caller that is gone, need no answer.
        try
        {
            if (!call.Answer(reply).IsError)
                Interlocked.Increment(ref _answered);
        }
        catch (ObjectDisposedException)
        {
            reply.Descriptor?.Dispose();
        }
    }
}
