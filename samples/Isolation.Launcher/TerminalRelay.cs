using System.Runtime.InteropServices;
using Isolation.Containers;
using Isolation.Linux;

namespace Isolation.Launcher;

/// <summary>Connects this terminal to a container's: keys go in raw, output comes out, and the window size follows.</summary>
internal sealed class TerminalRelay : IDisposable
{
    private const int Input = 0, Output = 1;
    private const byte EndOfFile = 4; // control-D, as TerminalSteps leaves c_cc[VEOF]

    private readonly PseudoTerminal _terminal;
    private readonly TerminalMode? _mode;
    private readonly PosixSignalRegistration _resized;
    private readonly Task _output;
    private readonly TaskCompletionSource<Exception> _outputFailed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal TerminalRelay(PseudoTerminal terminal, bool passesInput)
    {
        _terminal = terminal;
        _mode = passesInput ? TerminalMode.MakeRaw(Input) : null;
        CopyWindowSize();
        _resized = PosixSignalRegistration.Create(PosixSignal.SIGWINCH, _ => CopyWindowSize());
        _output = Task.Run(CopyOutput);
        if (!passesInput)
            return;
        // Reading a terminal cannot be cancelled: the thread is left behind, blocked, when the program ends.
        new Thread(CopyInput) { IsBackground = true, Name = "terminal input" }.Start();
    }

    /// <summary>Ends when output cannot be written any more, with the reason: the reader has gone, the disk is full.</summary>
    internal Task<Exception> OutputFailed => _outputFailed.Task;

    /// <summary>Waits until all output has been written.</summary>
    internal Task DrainAsync() => _output;

    /// <summary>Gives the terminal back as it was.</summary>
    public void Dispose()
    {
        _resized.Dispose();
        _mode?.Dispose();
    }

    private void CopyWindowSize()
    {
        if (TerminalMode.GetSize(Output) is { } size)
            _terminal.Resize(size.Columns, size.Rows);
    }

    private void CopyOutput()
    {
        var buffer = new byte[4096];
        using StandardStream output = StandardStream.OpenOutput();
        while (true)
        {
            int length;
            try
            {
                length = _terminal.Stream.Read(buffer);
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException)
            {
                return; // EIO: the program's side of the terminal is closed.
            }

            if (length == 0)
                return;
            try
            {
                output.Write(buffer.AsSpan(0, length));
            }
            catch (Exception e) when (e is IOException or LinuxException)
            {
                _outputFailed.SetResult(e);
                return;
            }
        }
    }

    /// <summary>Reads; what cannot be read, a directory or a closed stream, ends like a file.</summary>
    private static int Read(StandardStream input, byte[] buffer)
    {
        try
        {
            return input.Read(buffer);
        }
        catch (LinuxException)
        {
            return 0;
        }
    }

    private void CopyInput()
    {
        var buffer = new byte[4096];
        bool atLineStart = true;
        using StandardStream input = StandardStream.OpenInput();
        try
        {
            while (Read(input, buffer) is > 0 and int length)
            {
                _terminal.Stream.Write(buffer.AsSpan(0, length));
                atLineStart = buffer[length - 1] is (byte)'\n' or (byte)'\r' or EndOfFile;
            }

            // In the middle of a line the first one only hands over what is there: termios(3), VEOF.
            _terminal.Stream.Write(atLineStart ? [EndOfFile] : [EndOfFile, EndOfFile]);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // EIO: the program's side of the terminal is closed.
        }
    }
}
