using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Isolation.Linux;

/// <summary>One line of /proc/PID/mountinfo. See proc_pid_mountinfo(5).</summary>
/// <param name="Id">The mount's id, unique while it lasts.</param>
/// <param name="ParentId">The id of the mount that it is on.</param>
/// <param name="Major">The device's major number.</param>
/// <param name="Minor">The device's minor number.</param>
/// <param name="Root">The directory of the file system that is the mount's root.</param>
/// <param name="MountPoint">Where it is mounted, from the reader's root.</param>
/// <param name="Options">Options of the mount.</param>
/// <param name="OptionalFields">Propagation: <c>shared:1</c>, <c>master:2</c>.</param>
/// <param name="FileSystemType">The type: <c>ext4</c>.</param>
/// <param name="Source">What was mounted.</param>
/// <param name="SuperOptions">Options of the file system.</param>
public sealed record MountInfo(
    int Id,
    int ParentId,
    int Major,
    int Minor,
    string Root,
    string MountPoint,
    string Options,
    ImmutableArray<string> OptionalFields,
    string FileSystemType,
    string Source,
    string SuperOptions)
{
    /// <summary>Reads the mounts that the calling thread sees.</summary>
    public static ImmutableArray<MountInfo> Read() => Parse(File.ReadAllText("/proc/thread-self/mountinfo"));

    /// <summary>Reads the mounts that a process sees.</summary>
    /// <exception cref="IOException">There is no such process.</exception>
    public static ImmutableArray<MountInfo> Read(int processId) =>
        Parse(File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/mountinfo")));

    /// <summary>Reads a whole mountinfo text.</summary>
    /// <exception cref="FormatException">A line does not have the form of proc_pid_mountinfo(5).</exception>
    public static ImmutableArray<MountInfo> Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(ParseLine)];
    }

    private static MountInfo ParseLine(string line)
    {
        string[] fields = line.Split(' ');
        int separator = Array.IndexOf(fields, "-", Math.Min(6, fields.Length));
        string[] device = fields.Length > 2 ? fields[2].Split(':') : [];
        if (separator < 0 || fields.Length < separator + 3 || device.Length != 2
            || !TryNumber(fields[0], out int id) || !TryNumber(fields[1], out int parent)
            || !TryNumber(device[0], out int major) || !TryNumber(device[1], out int minor))
            throw new FormatException($"\"{line}\" is not a line of mountinfo.");
        return new MountInfo(id, parent, major, minor, Unescape(fields[3]), Unescape(fields[4]), fields[5],
            [.. fields[6..separator]], Unescape(fields[separator + 1]), Unescape(fields[separator + 2]),
            string.Join(' ', fields.Skip(separator + 3)));
    }

    private static bool TryNumber(string text, out int number) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);

    /// <summary>Undoes the kernel's octal escapes of blank, tab, newline, backslash and number sign.</summary>
    private static string Unescape(string text)
    {
        if (!text.Contains('\\', StringComparison.Ordinal))
            return text;
        var plain = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == '\\' && i + 3 < text.Length && IsOctal(text[i + 1]) && IsOctal(text[i + 2]) && IsOctal(text[i + 3]))
            {
                plain.Append((char)((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0')));
                i += 3;
            }
            else
            {
                plain.Append(text[i]);
            }
        }

        return plain.ToString();
    }

    private static bool IsOctal(char c) => c is >= '0' and <= '7';
}
