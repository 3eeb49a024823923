using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Linux.Syscalls;

namespace Isolation.Launcher;

/// <summary>Connects this terminal to a container's: keys go in raw, output comes out, and the window size follows.</summary>
internal sealed class TerminalRelay : IDisposable
{
    private const int Input = 0, Output = 1;
    private const byte EndOfFile = 4; // control-D, as TerminalSteps leaves c_cc[VEOF]

    private static readonly LinuxHandle s_input = new(Input);

    private readonly PseudoTerminal _terminal;
    private readonly byte[]? _saved;
    private readonly PosixSignalRegistration _resized;
    private readonly Task _output;
    private readonly TaskCompletionSource<Exception> _outputFailed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal TerminalRelay(PseudoTerminal terminal, bool passesInput)
    {
        _terminal = terminal;
        _saved = passesInput ? TerminalSyscalls.GetAttributes(Input) : null;
        if (_saved is not null)
            TerminalSyscalls.SetAttributes(Input, MakeRaw(_saved));
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
        if (_saved is not null)
            TerminalSyscalls.SetAttributes(Input, _saved);
    }

    private void CopyWindowSize()
    {
        if (!TerminalSyscalls.GetWindowSize(Output, out ushort rows, out ushort columns).IsError)
            _terminal.Resize(columns, rows);
    }

    private void CopyOutput()
    {
        var buffer = new byte[4096];
        using var output = new StandardOutput();
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

    private void CopyInput()
    {
        var buffer = new byte[4096];
        bool atLineStart = true;
        try
        {
            // What cannot be read, a directory or a closed stream, ends like a file.
            while (FileSyscalls.Read(s_input, buffer) is { IsError: false, Value: > 0 } read)
            {
                int length = (int)read.Value;
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

    /// <summary>What cfmakeraw(3) does to struct termios: c_iflag, c_oflag, c_cflag, c_lflag, c_line, c_cc.</summary>
    private static byte[] MakeRaw(byte[] attributes)
    {
        const uint InputOff = 0x1 | 0x2 | 0x8 | 0x20 | 0x40 | 0x80 | 0x100 | 0x400; // IGNBRK BRKINT PARMRK ISTRIP INLCR IGNCR ICRNL IXON
        const uint LocalOff = 0x1 | 0x2 | 0x8 | 0x40 | 0x8000;                      // ISIG ICANON ECHO ECHONL IEXTEN
        byte[] raw = [.. attributes];
        Change(raw, 0, InputOff, 0);
        Change(raw, 4, 0x1, 0);            // OPOST
        Change(raw, 8, 0x130, 0x30);       // CSIZE PARENB; CS8
        Change(raw, 12, LocalOff, 0);
        return raw;
    }

    private static void Change(Span<byte> attributes, int at, uint off, uint on) =>
        BinaryPrimitives.WriteUInt32LittleEndian(attributes[at..], (BinaryPrimitives.ReadUInt32LittleEndian(attributes[at..]) & ~off) | on);
}
