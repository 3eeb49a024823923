using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Isolation.Containers;
using Isolation.Linux;

namespace Isolation.Launcher;

/// <summary>Passes signals that this process gets on to the container's program. Before that runs, one that asks for an end cancels the
/// start, and the others wait for the program. A second SIGINT, from whoever is tired of waiting for what the first has done,
/// kills.</summary>
internal sealed class SignalForwarding : IDisposable
{
    /// <summary>All signals of signal(7) but those that this process has no say in or lives by: SIGKILL and SIGSTOP; its own faults
    /// (SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV); SIGPIPE, which the runtime ignores, and SIGCHLD, its children's; SIGTTIN and
    /// SIGTTOU, by which the terminal stops it in the background; 32 and 33 of the C library and 34 of the runtime.</summary>
    internal static readonly ImmutableArray<Signal> Forwarded =
    [
        Signal.SIGHUP, Signal.SIGINT, Signal.SIGQUIT, Signal.SIGUSR1, Signal.SIGUSR2, Signal.SIGALRM, Signal.SIGTERM, Signal.SIGSTKFLT,
        Signal.SIGCONT, Signal.SIGTSTP, Signal.SIGURG, Signal.SIGXCPU, Signal.SIGXFSZ, Signal.SIGVTALRM, Signal.SIGPROF, Signal.SIGWINCH,
        Signal.SIGIO, Signal.SIGPWR, Signal.SIGSYS, .. Enumerable.Range(35, 30).Select(n => (Signal)n),
    ];

    /// <summary>So long a start may go on after a signal that asks for an end: the program may run already, and has a say in it
    /// then.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromMilliseconds(500);

    private readonly Lock _gate = new();
    private readonly List<Signal> _early = [];
    private readonly CancellationTokenSource _ended = new();
    private readonly PosixSignalRegistration[] _registrations;
    private Container? _process;
    private bool _interrupted;
    private Signal _end;

    internal SignalForwarding() => _registrations = [.. Forwarded.Select(Register)];

    private PosixSignalRegistration Register(Signal signal) => PosixSignalRegistration.Create((PosixSignal)signal, context =>
    {
        context.Cancel = true;
        Forward(signal);
    });

    /// <summary>Cancelled by a signal that asks for an end before the program is there.</summary>
    internal CancellationToken StartCancelled => _ended.Token;

    /// <summary>The signal that has cancelled the start; <see cref="Signal.None"/> where none has.</summary>
    internal Signal CancelledBy => _end;

    internal void SendTo(Container process)
    {
        lock (_gate)
        {
            _process = process;
            _ended.CancelAfter(Timeout.InfiniteTimeSpan);
            foreach (Signal signal in _early)
                Send(signal);
        }
    }

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
            registration.Dispose();
        _ended.Dispose();
    }

    private void Forward(Signal signal)
    {
        lock (_gate)
        {
            if (_process is not null)
            {
                Send(signal);
                return;
            }

            // A start that is over all the same hands it to the program.
            _early.Add(signal);
            if (signal is not (Signal.SIGHUP or Signal.SIGINT or Signal.SIGQUIT or Signal.SIGTERM) || _end != Signal.None)
                return;
            _end = signal;
        }

        try
        {
            _ended.CancelAfter(s_patience);
        }
        catch (ObjectDisposedException)
        {
            // the start has failed meanwhile, and this process ends
        }
    }

    private void Send(Signal signal)
    {
        _process!.Kill(signal == Signal.SIGINT && _interrupted ? Signal.SIGKILL : signal);
        _interrupted |= signal == Signal.SIGINT;
    }
}
