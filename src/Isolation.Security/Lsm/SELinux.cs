using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>A security context of SELinux: <c>system_u:system_r:container_t:s0:c12,c345</c>. An immutable value.</summary>
/// <param name="User">The SELinux user.</param>
/// <param name="Role">The role.</param>
/// <param name="Type">The type, which the rules of the policy name.</param>
/// <param name="Level">The level with its categories; null where the policy has none.</param>
public sealed record SELinuxContext(string User, string Role, string Type, string? Level = null)
{
    /// <summary>Reads a context.</summary>
    /// <exception cref="FormatException">It has not three or four parts.</exception>
    public static SELinuxContext Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] parts = text.Split(':', 4);
        return parts.Length >= 3 && parts.All(p => p.Length > 0 && !p.Any(c => char.IsWhiteSpace(c) || c is '"' or '\0'))
            ? new(parts[0], parts[1], parts[2], parts.Length == 4 ? parts[3] : null)
            : throw new FormatException($"\"{text}\" is no SELinux context such as system_u:system_r:container_t:s0:c1,c2.");
    }

    /// <summary>The context with other categories: <c>s0:c12,c345</c>.</summary>
    public SELinuxContext WithCategories(SELinuxCategories categories)
    {
        ArgumentNullException.ThrowIfNull(categories);
        return this with { Level = categories.ToString() };
    }

    /// <inheritdoc/>
    public override string ToString() => Level is null ? $"{User}:{Role}:{Type}" : $"{User}:{Role}:{Type}:{Level}";
}

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

/// <summary>SELinux's labels: which are in force, and which are to be. See selinux(8).</summary>
public static class SELinux
{
    internal const string Module = "selinux";

    /// <summary>Whether the kernel runs SELinux with a policy.</summary>
    public static bool IsActive => SecurityModules.Has(Module) && File.Exists("/sys/fs/selinux/enforce");

    /// <summary>Whether refusals are enforced, not only logged.</summary>
    public static bool IsEnforcing => IsActive && TextFile.Read("/sys/fs/selinux/enforce").StartsWith('1');

    /// <summary>The calling thread's context; null where SELinux is not active.</summary>
    public static SELinuxContext? ContextOfCurrentThread => Read(IsActive ? SecurityModules.LabelOfCurrentThread(Module) : null);

    /// <summary>A process's context; null where SELinux is not active.</summary>
    public static SELinuxContext? ContextOf(int processId) => Read(IsActive ? SecurityModules.LabelOf(Module, processId) : null);

    /// <summary>Sets the context that the calling thread's next execve(2) puts in force: setexeccon(3).</summary>
    /// <exception cref="KernelFeatureException">SELinux is not active.</exception>
    /// <exception cref="LinuxException"><c>EINVAL</c>: the policy has no such context.</exception>
    public static void SetExecContextForCurrentThread(SELinuxContext context)
    {
        Require();
        SecurityModules.WriteAttribute(Module, "exec", context.ToString(), "set the context for the next program to");
    }

    /// <summary>A file's context; null where it has none.</summary>
    public static SELinuxContext? ContextOfFile(string path)
    {
        Span<byte> value = stackalloc byte[512];
        SyscallResult result = ExtendedAttributeSyscalls.Get(path, "security.selinux", value);
        return result.IsError ? null : Read(System.Text.Encoding.UTF8.GetString(value[..(int)result.Value]).TrimEnd('\0'));
    }

    internal static void Require()
    {
        if (!IsActive)
            throw new KernelFeatureException("SELinux",
                $"the kernel's active security modules are {string.Join(", ", SecurityModules.Active)}",
                "Boot with security=selinux selinux=1 and a policy, or do without labels.");
    }

    private static SELinuxContext? Read(string? text) => text is null || text.Count(c => c == ':') < 2 ? null : SELinuxContext.Parse(text);
}
