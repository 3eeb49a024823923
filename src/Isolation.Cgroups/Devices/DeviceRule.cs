using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Cgroups;

/// <summary>Whether devices may be used. Of several rules the last that is about an access decides on it.</summary>
/// <example><code>
/// builder = builder.WithDeviceRules([.. DeviceRule.DockerDefault, DeviceRule.Parse("c 10:229 rw")]); // and /dev/fuse
/// </code></example>
/// <param name="Allow">Whether it allows or denies.</param>
/// <param name="Kind">The kind of device.</param>
/// <param name="Major">The major number; null for every one.</param>
/// <param name="Minor">The minor number; null for every one.</param>
/// <param name="Access">What it is about.</param>
public sealed record DeviceRule(bool Allow, DeviceKind Kind, uint? Major, uint? Minor, DeviceAccess Access)
{
    /// <summary>What docker and the OCI runtimes allow: null, zero, full, random, urandom, tty, console, pseudo-terminals; and making any
    /// node, which is of no use by itself.</summary>
    public static ImmutableArray<DeviceRule> DockerDefault { get; } =
    [
        new(true, DeviceKind.Character, null, null, DeviceAccess.Mknod),
        new(true, DeviceKind.Block, null, null, DeviceAccess.Mknod),
        new(true, DeviceKind.Character, 1, 3, DeviceAccess.All),
        new(true, DeviceKind.Character, 1, 5, DeviceAccess.All),
        new(true, DeviceKind.Character, 1, 7, DeviceAccess.All),
        new(true, DeviceKind.Character, 1, 8, DeviceAccess.All),
        new(true, DeviceKind.Character, 1, 9, DeviceAccess.All),
        new(true, DeviceKind.Character, 5, 0, DeviceAccess.All),
        new(true, DeviceKind.Character, 5, 1, DeviceAccess.All),
        new(true, DeviceKind.Character, 5, 2, DeviceAccess.All),
        new(true, DeviceKind.Character, 136, null, DeviceAccess.All),
    ];

    /// <summary>Reads a rule as docker and version 1 write it: <c>c 1:3 rwm</c>, <c>b *:* r</c>, <c>a *:* rwm</c>. It allows.</summary>
    /// <exception cref="FormatException">The text is not of that form.</exception>
    public static DeviceRule Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] words = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        string[] numbers = words.Length > 1 ? words[1].Split(':') : [];
        DeviceKind? kind = words.FirstOrDefault() switch
        {
            "a" => DeviceKind.All,
            "b" => DeviceKind.Block,
            "c" => DeviceKind.Character,
            _ => null
        };
        if (kind is null || words.Length != 3 || numbers.Length != 2 || !TryNumber(numbers[0], out uint? major)
            || !TryNumber(numbers[1], out uint? minor))
            throw new FormatException($"\"{text}\" is not a rule such as c 1:3 rwm, with a, b or c, MAJOR:MINOR or *, and of r, w, m.");
        return new(true, kind.Value, major, minor, ParseAccess(words[2]));
    }

    /// <summary>A rule that allows a device by its file.</summary>
    /// <param name="path">A device file of the host.</param>
    /// <param name="access">What is allowed.</param>
    /// <exception cref="LinuxException"><c>ENOENT</c>: there is no such file.</exception>
    /// <exception cref="ArgumentException">The file is not a device.</exception>
    public static DeviceRule Of(string path, DeviceAccess access = DeviceAccess.All) => TryRead(path, access, out SyscallResult result)
        ?? (result.IsError
            ? throw new LinuxException("find device", $"\"{path}\"", "openat(2)", result.Errno)
            : throw new ArgumentException($"\"{path}\" is not a device.", nameof(path)));

    /// <summary>A rule that allows a device by its file; null where that is missing or is no device.</summary>
    /// <exception cref="LinuxException">It cannot be looked at, as for too many open files.</exception>
    internal static DeviceRule? TryOf(string path)
    {
        DeviceRule? rule = TryRead(path, DeviceAccess.All, out SyscallResult result);
        if (!result.IsAbsent)
            result.ThrowIfError("find device", $"\"{path}\"", "openat(2)");
        return rule;
    }

    private static DeviceRule? TryRead(string path, DeviceAccess access, out SyscallResult result)
    {
        result = FileSyscalls.OpenAt(null, path, Fcntl.O_PATH);
        if (result.IsError)
            return null;
        using var file = new LinuxHandle((int)result.Value);
        result = FileSyscalls.Stat(file, out FileIdentity identity);
        return identity.IsDevice
            ? new(true, identity.IsBlock ? DeviceKind.Block : DeviceKind.Character, identity.RdevMajor, identity.RdevMinor, access)
            : null;
    }

    /// <summary>Reads an access: letters of <c>rwm</c>.</summary>
    /// <exception cref="FormatException">The text has other letters, or none.</exception>
    public static DeviceAccess ParseAccess(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        DeviceAccess access = DeviceAccess.None;
        foreach (char letter in text)
        {
            access |= letter switch
            {
                'r' => DeviceAccess.Read,
                'w' => DeviceAccess.Write,
                'm' => DeviceAccess.Mknod,
                _ => throw new FormatException($"\"{text}\" is not of the letters r, w and m."),
            };
        }

        return access == DeviceAccess.None ? throw new FormatException("An access needs one of the letters r, w and m.") : access;
    }

    /// <summary>Whether the rule is about a use of a device, at least in part.</summary>
    internal bool IsAbout(DeviceKind kind, uint major, uint minor, DeviceAccess access) =>
        (Kind == DeviceKind.All || Kind == kind) && (Major is null || Major == major) && (Minor is null || Minor == minor)
            && (Access & access) != 0;

    /// <summary>The rule as version 1's files take it: <c>c 1:3 rwm</c>.</summary>
    internal string ToV1() =>
        $"{(Kind switch { DeviceKind.Block => 'b', DeviceKind.Character => 'c', _ => 'a' })} {Number(Major)}:{Number(Minor)} {AccessText}";

    internal string AccessText => (Access.HasFlag(DeviceAccess.Read) ? "r" : "") + (Access.HasFlag(DeviceAccess.Write) ? "w" : "")
        + (Access.HasFlag(DeviceAccess.Mknod) ? "m" : "");

    /// <summary>The rule in words: <c>allow c 1:3 rwm</c>.</summary>
    public override string ToString() => $"{(Allow ? "allow" : "deny")} {ToV1()}";

    private static string Number(uint? number) => number?.ToString(CultureInfo.InvariantCulture) ?? "*";

    private static bool TryNumber(string text, out uint? number)
    {
        number = uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out uint value) ? value : null;
        return number is not null || text == "*";
    }
}
