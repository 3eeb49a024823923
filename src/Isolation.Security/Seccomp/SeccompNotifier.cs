using Isolation.Linux;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>Answers a call that waits. Where it can answer at once it should return without waiting: the next call is received after it.</summary>
public delegate ValueTask<SeccompReply> SeccompHandler(SeccompNotification call);

/// <summary>Receives calls with <see cref="SeccompAction.UserNotify"/> on a thread of its own and answers them by a handler. See seccomp_unotify(2).</summary>
/// <remarks>A handler that throws refuses the call with <c>EPERM</c>, and <see cref="Failure"/> keeps the exception. When the notifier is disposed the listener is
/// closed: calls that wait, and those to come, fail with <c>ENOSYS</c>.</remarks>
/// <example><code>
/// using SeccompNotifier notifier = SeccompNotifier.Start(listener, call =>
///     new(call.Call.Name == "mkdirat" ? SeccompReply.Fail(Errno.EROFS) : SeccompReply.Continue));
/// </code></example>
public sealed class SeccompNotifier : IDisposable
{
    private readonly LinuxHandle? _socket;
    private readonly SeccompHandler _handler;
    private readonly LinuxHandle _stop;
    private readonly Thread _thread;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private SeccompListener? _listener;
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

    /// <summary>The first exception of the handler; null if there was none.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>Starts to answer.</summary>
    /// <param name="listener">Where the calls wait; the notifier owns it from here on.</param>
    /// <param name="handler">Answers each. Called on the notifier's thread; what it awaits may go on elsewhere.</param>
    public static SeccompNotifier Start(SeccompListener listener, SeccompHandler handler)
    {
        ArgumentNullException.ThrowIfNull(listener);
        ArgumentNullException.ThrowIfNull(handler);
        var notifier = new SeccompNotifier(listener, null, handler);
        notifier._thread.Start();
        return notifier;
    }

    /// <summary>Starts to wait for a listener that comes over a socket, and then to answer: the process that loads the filter may need an answer before it can do anything else.</summary>
    internal static SeccompNotifier StartReceiving(LinuxHandle socket, SeccompHandler handler)
    {
        var notifier = new SeccompNotifier(null, socket, handler);
        notifier._thread.Start();
        return notifier;
    }

    /// <summary>Stops answering and closes the listener.</summary>
    public void Dispose()
    {
        if (_stop.IsClosed)
            return;
        FileSyscalls.Write(_stop, BitConverter.GetBytes(1ul));
        if (Thread.CurrentThread != _thread)
            _thread.Join();
        _listener?.Dispose();
        _socket?.Dispose();
        _stop.Dispose();
    }

    private void Loop()
    {
        if (_socket is not null && PollSyscalls.WaitForFirst(_socket, _stop) && SocketSyscalls.ReceiveDescriptor(_socket) is { IsError: false } sent)
            _listener = new SeccompListener((int)sent.Value);
        if (_listener is { } listener)
            Answer(listener);
        _ended.TrySetResult();
    }

    private void Answer(SeccompListener listener)
    {
        SeccompSyscalls.WakeSynchronously(listener);
        var buffer = new byte[SeccompSyscalls.NotificationSize];
        while (!_stop.IsClosed && PollSyscalls.WaitForFirst(listener, _stop)) // a handler may have disposed it
        {
            SyscallResult received = SeccompSyscalls.Receive(listener, buffer);
            if (received.IsError)
            {
                // The caller was killed between the two calls, or this thread got a signal.
                if (received.Errno is Errno.ENOENT or Errno.EINTR)
                    continue;
                break;
            }

            Handle(new SeccompNotification(listener, buffer));
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
        // A closed listener, and a caller that is gone, need no answer. The number of the listener is nobody else's while it is held.
        bool held = false;
        try
        {
            _listener!.DangerousAddRef(ref held);
            if (!call.Answer(reply).IsError)
                Interlocked.Increment(ref _answered);
        }
        catch (ObjectDisposedException)
        {
            reply.Descriptor?.Dispose();
        }
        finally
        {
            if (held)
                _listener!.DangerousRelease();
        }
    }
}
