using Isolation.Linux;
using Isolation.Linux.Events;
using Isolation.Linux.Syscalls;

namespace Isolation.Containers;

/// <summary>The master side of a container's terminal: what the program writes can be read, what is written it reads. See pty(7).</summary>
public sealed class PseudoTerminal : IDisposable
{
    private readonly LinuxHandle _handle;

    private PseudoTerminal(LinuxHandle handle)
    {
        _handle = handle;
        Stream = new DescriptorStream(handle, FileAccess.ReadWrite, "the container's terminal");
    }

    /// <summary>Both directions, at the same time if wanted. Asynchronous calls hold no thread while they wait, and are cancelled at once.
    /// Reading gives <c>EIO</c>, an <see cref="IOException"/>, once the program's side is closed.</summary>
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
        TerminalSyscalls.SetWindowSize(_handle, (ushort)rows, (ushort)columns)
            .ThrowIfError("set the window size of", "the terminal", "ioctl(2) TIOCSWINSZ");
    }

    /// <summary>Closes the master; the program gets SIGHUP.</summary>
    public void Dispose() => Stream.Dispose();

    internal static PseudoTerminal Receive(LinuxHandle socket)
    {
        using LinuxHandle end = socket;
        SyscallResult result = SocketSyscalls.ReceiveDescriptor(end);
        result.ThrowIfError("receive", "the terminal", "recvmsg(2)");
        return new PseudoTerminal(new LinuxHandle((int)result.Value));
    }
}
