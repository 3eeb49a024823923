using Isolation.Linux;
using Isolation.Linux.Syscalls;
using Microsoft.Win32.SafeHandles;

namespace Isolation.Containers;

/// <summary>The master side of a container's terminal: what the program writes can be read, what is written it reads. See pty(7).</summary>
public sealed class PseudoTerminal : IDisposable
{
    private readonly SafeFileHandle _handle;

    private PseudoTerminal(SafeFileHandle handle)
    {
        _handle = handle;
        Stream = new FileStream(handle, FileAccess.ReadWrite, bufferSize: 0);
    }

    /// <summary>Both directions. Reading gives <c>EIO</c>, an <see cref="IOException"/>, once the program's side is closed.</summary>
    public Stream Stream { get; }

    /// <summary>Sets the window size; the program gets SIGWINCH. See ioctl_tty(2), <c>TIOCSWINSZ</c>.</summary>
    /// <param name="columns">Characters in a line.</param>
    /// <param name="rows">Lines.</param>
    public void Resize(int columns, int rows)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(columns, ushort.MaxValue);
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rows, ushort.MaxValue);
        TerminalSyscalls.SetWindowSize((int)_handle.DangerousGetHandle(), (ushort)rows, (ushort)columns)
            .ThrowIfError("set the window size of", "the terminal", "ioctl(2) TIOCSWINSZ");
    }

    /// <summary>Closes the master; the program gets SIGHUP.</summary>
    public void Dispose() => Stream.Dispose();

    internal static PseudoTerminal Receive(int socket)
    {
        using var end = new LinuxHandle(socket);
        SyscallResult result = SocketSyscalls.ReceiveDescriptor(end);
        result.ThrowIfError("receive", "the terminal", "recvmsg(2)");
        return new PseudoTerminal(new SafeFileHandle((int)result.Value, ownsHandle: true));
    }
}
