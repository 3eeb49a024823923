using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Namespaces;

/// <summary>Lowers overlays, as a root or as a mount. See the kernel's overlayfs document.</summary>
internal static class OverlaySteps
{
    internal static ImmutableArray<SyscallStep> Create(ImmutableArray<string> lower, string? upper, string? work, MountFlags flags, Slot overlay, MountContext context)
    {
        var steps = ImmutableArray.CreateBuilder<SyscallStep>();
        if (upper is null)
        {
            // A throw-away upper layer in the staging tmpfs, named from the working directory: no path leads there.
            Slot staging = context.Staging ?? throw new System.Diagnostics.UnreachableException();
            string number = context.StagingCount++.ToString(CultureInfo.InvariantCulture);
            (upper, work) = ("upper" + number, "work" + number);
            steps.Add(new SyscallStep(Syscall.mkdirat, staging, upper, StepArgument.Flags(0b111_101_101, "0755")));
            steps.Add(new SyscallStep(Syscall.mkdirat, staging, work, StepArgument.Flags(0b111_101_101, "0755")));
            steps.Add(new SyscallStep(Syscall.fchdir, staging));
        }

        // Options are separated by commas and layers by colons, both escaped by a backslash.
        var options = new List<(string, string?)>
        {
            ("lowerdir", string.Join(':', lower.Select(Escape))), ("upperdir", Escape(upper)), ("workdir", Escape(work!)),
        };
        if (context.InUserNamespace)
            options.Add(("userxattr", null));
        steps.AddRange(MountCalls.NewFileSystem("overlay", overlay, flags, context.Labelled([.. options])));
        return steps.ToImmutable();
    }

    internal static string? Hint(Errno errno) => errno switch
    {
        Errno.EINVAL => "Upper and work directories must be on one file system that supports overlays, and the work directory unused; in a user namespace a layer may have no other mounts below it.",
        Errno.EPERM => "An overlay in a user namespace needs Linux 5.11.",
        Errno.ELOOP => "A layer lies inside another one.",
        _ => null,
    };

    private static string Escape(string path) => path.Replace("\\", "\\\\", StringComparison.Ordinal).Replace(":", "\\:", StringComparison.Ordinal);
}
