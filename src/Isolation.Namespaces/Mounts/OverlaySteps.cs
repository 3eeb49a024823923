using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Namespaces;

/// <summary>Lowers overlays, as a root or as a mount. See the kernel's overlayfs document.</summary>
/// <remarks>A value of fsconfig(2) has at most 255 bytes, which the joined paths of a few layers exceed. Such layers get short names: links
/// in the staging tmpfs, which is the working directory meanwhile. They need neither escapes nor proc, and work on every kernel.</remarks>
internal static class OverlaySteps
{
    private const int MaxValueBytes = 255;

    // Not those that mean something to overlayfs or in a path.
    private static readonly string[] s_names = [.. Enumerable.Range('!', '~' - '!' + 1).Select(c => ((char)c).ToString())
        .Where(c => !"/:\\,.".Contains(c, StringComparison.Ordinal))];

    private static readonly KernelVersion s_appending = new(6, 7);

    /// <summary>Whether an overlay needs the staging tmpfs: for a throw-away upper layer, or for short names.</summary>
    internal static bool NeedsStaging(ImmutableArray<string> lower, string? upper, string? work) => upper is null
        || !IsPlain(lower, upper, work!);

    internal static ImmutableArray<SyscallStep> Create(ImmutableArray<string> lower, string? upper, string? work, MountFlags flags,
        Slot overlay, MountContext context)
    {
        var steps = ImmutableArray.CreateBuilder<SyscallStep>();
        bool plain = IsPlain(lower, upper ?? "", work ?? "");
        Slot names = context.Staging!;
        string number = "";
        if (upper is null || !plain)
            number = context.StagingCount++.ToString(CultureInfo.InvariantCulture);
        if (!plain)
        {
            names = new("layers");
            steps.Add(MakeDirectory(context.Staging!, "layers" + number));
            steps.Add(new SyscallStep(Syscall.openat, context.Staging!, "layers" + number,
                StepArgument.Flags(Fcntl.O_PATH | Fcntl.O_CLOEXEC | Fcntl.O_DIRECTORY(context.Paths.Architecture),
                    "O_PATH|O_DIRECTORY|O_CLOEXEC"))
            {
                Result = names,
            });
            steps.AddRange(lower.Select((path, i) => new SyscallStep(Syscall.symlinkat, path, names, Name(i))));
        }

        if (upper is null)
        {
            // A throw-away upper layer, named from the working directory: no path leads there.
            (upper, work) = ("upper" + number, "work" + number);
            steps.AddRange(MakeDirectory(names, upper), MakeDirectory(names, work), new SyscallStep(Syscall.fchdir, names));
        }
        else if (!plain)
        {
            steps.AddRange(new SyscallStep(Syscall.symlinkat, upper, names, "upper"),
                new SyscallStep(Syscall.symlinkat, work!, names, "work"), new SyscallStep(Syscall.fchdir, names));
            (upper, work) = ("upper", "work");
        }

        List<(string, string?)> options = [.. plain ? [("lowerdir", string.Join(':', lower))] : LowerNames(lower.Length, context.Kernel),
            ("upperdir", upper), ("workdir", work)];
        if (context.InUserNamespace)
            options.Add(("userxattr", null));
        steps.AddRange(MountCalls.NewFileSystem("overlay", overlay, flags, context.Labelled([.. options])));
        return steps.ToImmutable();
    }

    internal static string? Hint(Errno errno) => errno switch
    {
        // The depth: FILESYSTEM_MAX_STACK_DEPTH of the kernel's linux/fs.h.
        Errno.EINVAL => "Upper and work directories must be on one file system that supports overlays, and the work directory unused; "
            + "in a user namespace a layer may have no other mounts below it; and an overlay over an overlay, as in a container in a "
            + "container, can be no layer of a third one: use a directory as the root there.",
        Errno.EPERM => "An overlay in a user namespace needs Linux 5.11.",
        Errno.ELOOP => "A layer lies inside another one.",
        _ => null,
    };

    /// <summary>The short names of all layers in one value, or each on its own, which Linux 6.7 appends.</summary>
    internal static IEnumerable<(string Key, string? Value)> LowerNames(int count, KernelVersion kernel)
    {
        string[] links = [.. Enumerable.Range(0, count).Select(Name)];
        string joined = string.Join(':', links);
        if (joined.Length <= MaxValueBytes)
            return [("lowerdir", joined)];
        if (kernel >= s_appending)
            return links.Select(l => ("lowerdir+", (string?)l));
        // A colon behind each name but the last.
        int most = s_names.Length + ((MaxValueBytes + 1 - (2 * s_names.Length)) / 3);
        throw new KernelFeatureException($"an overlay of {count} layers",
            $"before Linux 6.7 there may be {most}, and this is Linux {kernel}", "Merge some layers, or use a newer kernel.");
    }

    // Values without a colon or backslash, which would have to be escaped, and not in every version alike.
    private static bool IsPlain(ImmutableArray<string> lower, string upper, string work) =>
        lower.Sum(l => Encoding.UTF8.GetByteCount(l) + 1) <= MaxValueBytes + 1
        && Encoding.UTF8.GetByteCount(upper) <= MaxValueBytes && Encoding.UTF8.GetByteCount(work) <= MaxValueBytes
        && !lower.Append(upper).Append(work).Any(p => p.Contains(':', StringComparison.Ordinal)
            || p.Contains('\\', StringComparison.Ordinal));

    private static string Name(int index) =>
        index < s_names.Length ? s_names[index] : s_names[(index / s_names.Length) - 1] + s_names[index % s_names.Length];

    private static SyscallStep MakeDirectory(Slot parent, string name) =>
        new(Syscall.mkdirat, parent, name, StepArgument.Flags(0b111_101_101, "0755"));
}
