using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Isolation.Linux.Syscalls;

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
    public static ImmutableArray<MountInfo> Read() => Parse(TextFile.Read("/proc/thread-self/mountinfo"));

    /// <summary>Reads the mounts that a process sees.</summary>
    /// <exception cref="LinuxException"><c>ENOENT</c>: there is no such process. <c>EINVAL</c>: it has ended. <c>EACCES</c>: it is not
    /// this user's.</exception>
    public static ImmutableArray<MountInfo> Read(int processId) =>
        Parse(TextFile.Read(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/mountinfo")));

    /// <summary>Reads a whole mountinfo text.</summary>
    /// <exception cref="FormatException">A line does not have the form of proc_pid_mountinfo(5).</exception>
    public static ImmutableArray<MountInfo> Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(ParseLine)];
    }

    /// <summary>The mount that a path leads to: what lies below another mount, or below what was mounted over
    /// one of its parents, is hidden.</summary>
    /// <param name="mounts">Every mount that a process sees.</param>
    /// <param name="path">An absolute path without links.</param>
    /// <returns>The mount; null where none of them has the path, as in a root that is no mount itself.</returns>
    public static MountInfo? Find(IReadOnlyCollection<MountInfo> mounts, string path)
    {
        ArgumentNullException.ThrowIfNull(mounts);
        ArgumentNullException.ThrowIfNull(path);
        HashSet<int> ids = [.. mounts.Select(m => m.Id)];
        MountInfo? found = null;
        // From mount to mount, as the kernel walks. What is mounted on one is met in the order of its depth; each can be gone through once.
        for (int i = 0; i < mounts.Count; i++)
        {
            bool IsOn(MountInfo mount) => found is null
                ? !ids.Contains(mount.ParentId) || mount.ParentId == mount.Id
                : mount.ParentId == found.Id;
            MountInfo? next = mounts.Where(m => m != found && IsOn(m) && IsBelow(path, m.MountPoint)).MinBy(m => m.MountPoint.Length);
            if (next is null)
                break;
            found = next;
        }

        return found;
    }

    private static bool IsBelow(string path, string directory) =>
        directory == "/" || path == directory || (path.StartsWith(directory, StringComparison.Ordinal) && path[directory.Length] == '/');

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

    private static bool TryNumber(string text, out int number) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);

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
