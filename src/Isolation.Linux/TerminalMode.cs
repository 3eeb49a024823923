using System.Buffers.Binary;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux;

/// <summary>The mode of the terminal behind a standard stream of this process. Disposal restores the mode.</summary>
public sealed class TerminalMode : IDisposable
{
    private readonly int _descriptor;
    private readonly byte[] _saved;
    private int _restored;

    private TerminalMode(int descriptor, byte[] saved) => (_descriptor, _saved) = (descriptor, saved);

    /// <summary>Whether a descriptor of this process is a terminal. See isatty(3).</summary>
    /// <param name="descriptor">0 to 2 are the standard streams.</param>
    public static bool IsTerminal(int descriptor) => TerminalSyscalls.GetAttributes(descriptor) is not null;

    /// <summary>Reads the size of a terminal's window; null where the descriptor is not a terminal.</summary>
    /// <param name="descriptor">0 to 2 are the standard streams.</param>
    public static TerminalSize? GetSize(int descriptor) =>
        TerminalSyscalls.GetWindowSize(descriptor, out ushort rows, out ushort columns).IsError ? null : new TerminalSize(rows, columns);

    /// <summary>Makes a terminal hand over each key as it is typed, without echo, signals or translation, as cfmakeraw(3) has it.</summary>
    /// <param name="descriptor">0 to 2 are the standard streams.</param>
    /// <returns>What restores the mode; null where the descriptor is not a terminal.</returns>
    /// <remarks>The mode is the terminal's: it holds for all processes, and outlives this one unless it is restored.</remarks>
    /// <exception cref="LinuxException"><c>EIO</c>: this process is in the background, and does not get SIGTTOU.</exception>
    public static TerminalMode? MakeRaw(int descriptor)
    {
        if (TerminalSyscalls.GetAttributes(descriptor) is not { } saved)
            return null;
        TerminalSyscalls.SetAttributes(descriptor, Raw(saved)).ThrowIfError("make raw", "the terminal", "ioctl(2) TCSETS");
        return new TerminalMode(descriptor, saved);
    }

    /// <summary>Restores the mode that the terminal had.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _restored, 1) == 0)
            TerminalSyscalls.SetAttributes(_descriptor, _saved);
    }

    /// <summary>What cfmakeraw(3) does to struct termios: c_iflag, c_oflag, c_cflag, c_lflag, c_line, c_cc.</summary>
    private static byte[] Raw(byte[] attributes)
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
