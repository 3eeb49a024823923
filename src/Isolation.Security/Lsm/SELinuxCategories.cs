using System.Globalization;
using System.Security.Cryptography;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>A pair of categories that no other container of this host has while this object lives:
/// what keeps containers of one type apart (MCS).</summary>
/// <remarks>Reserved by a lock on a byte of a file in the runtime directory, which the kernel releases when the
/// process ends, however it ends.</remarks>
public sealed class SELinuxCategories : IDisposable
{
    private const int Count = 1024;

    private readonly LinuxHandle _lock;

    private SELinuxCategories(int first, int second, LinuxHandle file) => (First, Second, _lock) = (first, second, file);

    /// <summary>The lower category, 0 to 1022.</summary>
    public int First { get; }

    /// <summary>The higher category, 1 to 1023.</summary>
    public int Second { get; }

    /// <summary>Reserves a random pair.</summary>
    /// <param name="directory">Where the file of the locks lies; null for <c>/run/isolation</c>,
    /// or below <c>XDG_RUNTIME_DIR</c> for an ordinary user.</param>
    /// <exception cref="InvalidOperationException">Every pair that was tried is taken.</exception>
    public static SELinuxCategories Allocate(string? directory = null)
    {
        directory ??= Path.Combine(Environment.IsPrivilegedProcess
            ? "/run"
            : Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR") ?? Path.GetTempPath(), "isolation");
        Directory.CreateDirectory(directory);
        for (int attempt = 0; attempt < 1000; attempt++)
        {
            int a = RandomNumberGenerator.GetInt32(Count), b = RandomNumberGenerator.GetInt32(Count);
            if (a != b && TryReserve(directory, Math.Min(a, b), Math.Max(a, b)) is { } pair)
                return pair;
        }

        throw new InvalidOperationException($"No free pair of categories was found; the locks in \"{directory}\" hold them.");
    }

    internal static SELinuxCategories? TryReserve(string directory, int first, int second)
    {
        string path = Path.Combine(directory, "mcs");
        SyscallResult opened = FileSyscalls.OpenAt(null, path, Fcntl.O_RDWR | Fcntl.O_CREAT, 0b110_000_000);
        opened.ThrowIfError("open", $"\"{path}\"", "openat(2)");
        var file = new LinuxHandle((int)opened.Value);
        if (FileSyscalls.TryLockByte(file, (first * Count) + second))
            return new SELinuxCategories(first, second, file);
        file.Dispose();
        return null;
    }

    /// <summary>Gives the pair back.</summary>
    public void Dispose() => _lock.Dispose();

    /// <summary>As a level: <c>s0:c12,c345</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"s0:c{First},c{Second}");
}
