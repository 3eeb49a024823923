using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Isolation.Containers;
using Isolation.Linux.Syscalls;
using Microsoft.Win32.SafeHandles;

namespace Isolation.Launcher;

/// <summary>Connects this terminal to a container's: keys go in raw, output comes out, and the window size follows.</summary>
internal sealed class TerminalRelay : IDisposable
{
    private const int Input = 0, Output = 1;

    private readonly PseudoTerminal _terminal;
    private readonly byte[]? _saved;
    private readonly PosixSignalRegistration _resized;
    private readonly Task _output;

    internal TerminalRelay(PseudoTerminal terminal)
    {
        _terminal = terminal;
        _saved = TerminalSyscalls.GetAttributes(Input);
        if (_saved is not null)
            TerminalSyscalls.SetAttributes(Input, MakeRaw(_saved));
        CopyWindowSize();
        _resized = PosixSignalRegistration.Create(PosixSignal.SIGWINCH, _ => CopyWindowSize());
        // The console's stream writes where the descriptor stands, as others who share the file expect.
        _output = Task.Run(() => Copy(terminal.Stream, Console.OpenStandardOutput(), endOfInput: null));
        // Reading a terminal cannot be cancelled: the thread is left behind, blocked, when the program ends.
        new Thread(() => Copy(OpenInput(), terminal.Stream, endOfInput: 4)) { IsBackground = true, Name = "terminal input" }.Start();
    }

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

    // Raw: the console's own input stream would read whole lines.
    private static FileStream OpenInput() => new(new SafeFileHandle(Input, ownsHandle: false), FileAccess.Read, bufferSize: 0);

    private static void Copy(Stream from, Stream to, byte? endOfInput)
    {
        var buffer = new byte[4096];
        try
        {
            int length;
            while ((length = from.Read(buffer)) > 0)
                to.Write(buffer.AsSpan(0, length));
            if (endOfInput is { } end)
                to.Write([end]); // as the key would: control-D
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // EIO: the other side of the terminal is closed.
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
