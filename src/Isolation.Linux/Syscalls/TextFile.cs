using System.Text;
using Isolation.Linux.Abi;

namespace Isolation.Linux.Syscalls;

/// <summary>A small file read whole, as those of proc(5), sysfs(5) and /etc are.</summary>
/// <remarks>What is not there and what cannot be read for the moment (too many open files, no memory) are told apart: who takes the
/// second for the first believes that a process has ended or that a setting is off.</remarks>
internal static class TextFile
{
    private const int PartSize = 4096;

    /// <summary>The text of a file.</summary>
    /// <exception cref="LinuxException">It cannot be opened or read.</exception>
    internal static string Read(string path)
    {
        Errno errno = TryRead(path, out string text, out string call);
        return errno == Errno.None ? text : throw new LinuxException("read", $"\"{path}\"", call, errno);
    }

    /// <summary>The text of a file; null where there is none, or where its process has ended.</summary>
    /// <exception cref="LinuxException">It is there, and cannot be read.</exception>
    internal static string? ReadIfThere(string path)
    {
        Errno errno = TryRead(path, out string text, out string call);
        return errno switch
        {
            Errno.None => text,
            Errno.ENOENT or Errno.ENOTDIR or Errno.ESRCH => null,
            _ => throw new LinuxException("read", $"\"{path}\"", call, errno),
        };
    }

    /// <summary>The text of a file; null where there is none, where its process has ended, or where this one may not read it.</summary>
    /// <exception cref="LinuxException">It cannot be read for another reason.</exception>
    internal static string? ReadIfAllowed(string path)
    {
        try
        {
            return ReadIfThere(path);
        }
        catch (LinuxException e) when (e.Errno is Errno.EACCES or Errno.EPERM)
        {
            return null;
        }
    }

    /// <summary>The lines of a text, without their ends and without an empty one behind the last.</summary>
    internal static string[] Lines(string text) => text.TrimEnd('\n').Split('\n');

    private static Errno TryRead(string path, out string text, out string call)
    {
        (text, call) = ("", "openat(2)");
        SyscallResult opened = FileSyscalls.OpenAt(null, path, Fcntl.O_RDONLY);
        if (opened.IsError)
            return opened.Errno;
        call = "read(2)";
        using var file = new LinuxHandle((int)opened.Value);
        var content = new byte[PartSize];
        int length = 0;
        while (true)
        {
            SyscallResult part = FileSyscalls.Read(file, content.AsSpan(length));
            if (part.IsError)
                return part.Errno;
            if (part.Value == 0)
                break;
            length += (int)part.Value;
            if (length == content.Length)
                Array.Resize(ref content, 2 * length);
        }

        text = Encoding.UTF8.GetString(content, 0, length);
        return Errno.None;
    }
}
