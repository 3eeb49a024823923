using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Namespaces;

/// <summary>Resolves paths inside a hostile root: once, by openat2(2), to a descriptor that is then acted on.</summary>
/// <remarks>Links inside the root work and cannot lead out of it; magic links of proc are refused. Directories are made step
/// by step from descriptors. No step ever takes a path inside the root by string and acts on it.</remarks>
internal sealed class InRoot(Slot root, Architecture architecture)
{
    /// <summary>Following links inside the root, as the container itself would.</summary>
    internal const ulong Follow = OpenAt2Abi.RESOLVE_IN_ROOT | OpenAt2Abi.RESOLVE_NO_MAGICLINKS;

    /// <summary>Refusing any link: for /proc, /sys and /dev, which a root may not redirect.</summary>
    internal const ulong NoLinks = OpenAt2Abi.RESOLVE_IN_ROOT | OpenAt2Abi.RESOLVE_NO_SYMLINKS;

    /// <summary>The most parts of a path that is made where it is missing: each takes two steps, and a skip reaches over 127.</summary>
    internal const int MaxDepth = 50;

    internal Slot Root => root;

    internal Architecture Architecture => architecture;

    /// <summary>Where paths lead that go through a link to something missing, which is what is made then.</summary>
    internal ImmutableDictionary<string, string> Dangling { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>Opens something that must exist.</summary>
    internal SyscallStep Open(string path, Slot result, uint flags = 0, ulong resolve = Follow) =>
        OpenAt2(root, path, flags | Fcntl.O_PATH, resolve) with { Result = result };

    /// <summary>Opens what a descriptor stands for as a directory, also one that may not be searched: as its own root, where there is
    /// nothing to look up.</summary>
    internal SyscallStep OpenAsDirectory(Slot descriptor) =>
        OpenAt2(descriptor, "/", Fcntl.O_PATH | Fcntl.O_DIRECTORY(architecture),
            OpenAt2Abi.RESOLVE_IN_ROOT | OpenAt2Abi.RESOLVE_NO_SYMLINKS);

    /// <summary>Opens a directory, making it and its parents where they are missing.</summary>
    internal ImmutableArray<SyscallStep> EnsureDirectory(string path, Slot result, ulong resolve = Follow)
    {
        if (resolve == Follow)
            path = Dangling.GetValueOrDefault(path, path);
        string[] parts = Split(path);
        uint directory = Fcntl.O_DIRECTORY(architecture);
        if (parts.Length == 0)
            return [Open("/", result, directory, resolve)];
        var steps = ImmutableArray.CreateBuilder<SyscallStep>();
        steps.Add(Open(path, result, directory,
            resolve) with
        { Tolerated = [Errno.ENOENT], SkipOnSuccess = checked((sbyte)(parts.Length * 2)) });
        Slot parent = root;
        for (int i = 0; i < parts.Length; i++)
        {
            Slot child = i == parts.Length - 1 ? result : new Slot(parts[i]);
            steps.Add(new SyscallStep(Syscall.mkdirat, parent, parts[i], StepArgument.Flags(0b111_101_101, "0755"))
            {
                Tolerated = [Errno.EEXIST]
            });
            steps.Add(Open("/" + string.Join('/', parts[..(i + 1)]), child, directory, resolve));
            parent = child;
        }

        return steps.ToImmutable();
    }

    /// <summary>Opens a file to mount on, making it and its parents where they are missing.</summary>
    /// <param name="path">The file.</param>
    /// <param name="result">Where its descriptor is left.</param>
    /// <param name="orLink">Whether a link is taken as it is: a mount on it hides it, whatever it leads to.</param>
    internal ImmutableArray<SyscallStep> EnsureFile(string path, Slot result, bool orLink = false)
    {
        path = orLink ? path : Dangling.GetValueOrDefault(path, path);
        uint flags = orLink ? Fcntl.O_NOFOLLOW(architecture) : 0;
        string[] parts = Split(path);
        if (parts.Length == 0)
            throw new ArgumentException("A file cannot be mounted on \"/\".", nameof(path));
        Slot parent = new("parent");
        ImmutableArray<SyscallStep> making =
        [
            .. EnsureDirectory("/" + string.Join('/', parts[..^1]), parent),
            new SyscallStep(Syscall.mknodat, parent, parts[^1], StepArgument.Flags(Fcntl.S_IFREG | 0b110_100_100, "S_IFREG|0644"), 0)
            {
                Tolerated = [Errno.EEXIST]
            },
            Open(path, result, flags),
        ];
        return
        [
            Open(path, result, flags) with { Tolerated = [Errno.ENOENT], SkipOnSuccess = checked((sbyte)making.Length) },
            .. making,
        ];
    }

    internal static string? Hint(Errno errno, string path) => errno switch
    {
        Errno.ELOOP => $"The root has a symbolic link on the way to \"{path}\" that is not allowed there.",
        Errno.ENOTDIR => $"Something on the way to \"{path}\" is not a directory.",
        Errno.EROFS => $"\"{path}\" does not exist in the root, and cannot be made since the root is read-only.",
        Errno.EACCES or Errno.EOVERFLOW => $"\"{path}\" does not exist in the root, and cannot be made by this user.",
        _ => null,
    };

    /// <summary>As <see cref="Hint"/>, for a file that is mounted on a file.</summary>
    internal static string? FileHint(Errno errno, string path) =>
        errno == Errno.EINVAL ? $"\"{path}\" is a directory in the root, where a file is to be." : Hint(errno, path);

    internal static StepArgument OpenHow(uint flags, ulong resolve) =>
        StepArgument.Words($"{{flags={OpenFlagNames(flags)}, resolve={ResolveNames(resolve)}}}", flags | Fcntl.O_CLOEXEC, 0, resolve);

    internal static SyscallStep OpenAt2(Slot directory, string path, uint flags, ulong resolve) =>
        new(Syscall.openat2, directory, path, OpenHow(flags, resolve), OpenAt2Abi.open_how_size)
        {
            // Only a link with .. in it can be disturbed from elsewhere.
            Rule = (resolve & OpenAt2Abi.RESOLVE_NO_SYMLINKS) != 0 ? StepRule.Continue : StepRule.Repeats,
        };

    private static string[] Split(string path)
    {
        string[] parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        return parts.Length <= MaxDepth ? parts : throw new ArgumentException($"\"{path}\" has more than {MaxDepth} parts.", nameof(path));
    }

    private static string OpenFlagNames(uint flags)
    {
        string access = (flags & Fcntl.O_PATH) != 0 ? "O_PATH" : (flags & 3) switch { 0 => "O_RDONLY", 1 => "O_WRONLY", _ => "O_RDWR" };
        return access + ((flags & 0x14000) != 0 ? "|O_DIRECTORY" : "") + ((flags & 0x28000) != 0 ? "|O_NOFOLLOW" : "") + "|O_CLOEXEC";
    }

    private static string ResolveNames(ulong resolve)
    {
        (ulong Bit, string Name)[] names =
        [
            (OpenAt2Abi.RESOLVE_NO_XDEV, "NO_XDEV"), (OpenAt2Abi.RESOLVE_NO_MAGICLINKS, "NO_MAGICLINKS"),
            (OpenAt2Abi.RESOLVE_NO_SYMLINKS, "NO_SYMLINKS"),
            (OpenAt2Abi.RESOLVE_BENEATH, "BENEATH"), (OpenAt2Abi.RESOLVE_IN_ROOT, "IN_ROOT"),
        ];
        return string.Join('|', names.Where(n => (resolve & n.Bit) != 0).Select(n => n.Name));
    }
}
