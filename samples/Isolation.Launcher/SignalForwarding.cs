using System.Runtime.InteropServices;
using Isolation.Containers;

namespace Isolation.Launcher;

/// <summary>Passes signals that this process gets on to the container; those that come before it is there wait for it.</summary>
internal sealed class SignalForwarding : IDisposable
{
    private static readonly (PosixSignal Signal, int Number)[] s_forwarded =
    [
        (PosixSignal.SIGHUP, 1), (PosixSignal.SIGINT, 2), (PosixSignal.SIGQUIT, 3), (PosixSignal.SIGTERM, 15), (PosixSignal.SIGCONT, 18), ((PosixSignal)10, 10), ((PosixSignal)12, 12),
    ];

    private readonly Lock _gate = new();
    private readonly List<int> _early = [];
    private readonly PosixSignalRegistration[] _registrations;
    private ContainerProcess? _process;

    internal SignalForwarding() => _registrations = [.. s_forwarded.Select(s => PosixSignalRegistration.Create(s.Signal, context =>
    {
        context.Cancel = true;
        Forward(s.Number);
    }))];

    internal void SendTo(ContainerProcess process)
    {
        lock (_gate)
        {
            _process = process;
            foreach (int signal in _early)
                process.Kill(signal);
        }
    }

    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
            registration.Dispose();
    }

    private void Forward(int signal)
    {
        lock (_gate)
        {
            if (_process is null)
                _early.Add(signal);
            else
                _process.Kill(signal);
        }
    }
}
