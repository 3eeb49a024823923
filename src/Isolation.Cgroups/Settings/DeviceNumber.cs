using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Cgroups;

/// <summary>A device by its numbers: <c>8:0</c>.</summary>
/// <param name="Major">The major number: the driver.</param>
/// <param name="Minor">The minor number: which of its devices.</param>
public readonly record struct DeviceNumber(uint Major, uint Minor)
{
    /// <summary>The number of a device file, or of the device that a file or directory lies on.</summary>
    /// <param name="path">A path of the host.</param>
    /// <exception cref="LinuxException"><c>ENOENT</c>: there is no such file.</exception>
    public static DeviceNumber FromPath(string path)
    {
        SyscallResult opened = FileSyscalls.OpenAt(null, path, Fcntl.O_PATH);
        opened.ThrowIfError("find device", $"\"{path}\"", "openat(2)");
        using var file = new LinuxHandle((int)opened.Value);
        FileSyscalls.Stat(file, out FileIdentity identity).ThrowIfError("find device", $"\"{path}\"", "statx(2)");
        return identity.IsDevice ? new(identity.RdevMajor, identity.RdevMinor) : new(identity.DeviceMajor, identity.DeviceMinor);
    }

    /// <summary>Reads <c>MAJOR:MINOR</c>.</summary>
    /// <exception cref="FormatException">The text is not of that form.</exception>
    public static DeviceNumber Parse(string text)
    {
        string[] parts = (text ?? throw new ArgumentNullException(nameof(text))).Split(':');
        return parts.Length == 2 && uint.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out uint major)
            && uint.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out uint minor)
            ? new(major, minor)
            : throw new FormatException($"\"{text}\" is not MAJOR:MINOR.");
    }

    /// <summary>The kernel's form: <c>8:0</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Major}:{Minor}");
}
