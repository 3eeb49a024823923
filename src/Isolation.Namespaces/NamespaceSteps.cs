using System.Collections.Immutable;
using System.Text;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Namespaces;

/// <summary>Lowers what a new process does about its namespaces: id maps, time offsets, names, joining.</summary>
internal static class NamespaceSteps
{
    /// <summary>Writes the id maps of the new user namespace that the process itself is in.</summary>
    internal static ImmutableArray<PlanStep> WriteOwnMaps(IdMap users, IdMap groups, bool denySetgroups)
    {
        var steps = ImmutableArray.CreateBuilder<PlanStep>();
        if (denySetgroups)
            steps.Add(WriteProc("deny", "setgroups(2)", "/proc/self/setgroups", "deny", null));
        steps.Add(WriteProc("map user ids", Quote(users), "/proc/self/uid_map", users.ToString(), MapHint));
        steps.Add(WriteProc("map group ids", Quote(groups), "/proc/self/gid_map", groups.ToString(), MapHint));
        return steps.ToImmutable();
    }

    internal static PlanStep WriteTimeOffsets(TimeOffsets offsets) =>
        WriteProc("set time offsets to", Quote(offsets.ToString().Trim()), "/proc/self/timens_offsets", offsets.ToString(),
            errno => errno switch
            {
                Errno.ERANGE => "A clock may not become negative, nor run beyond about 146 years.",
                // time_namespaces(7): the offsets stand once a process is in the namespace,
                // and older kernels put one in at once that shares memory.
                Errno.EACCES => "This kernel enters a time namespace at once, and its offsets can be set no more. "
                    + "A newer one is needed: 6.12 will do, 6.1 will not.",
                _ => null,
            });

    /// <summary>sethostname(2), in the new UTS namespace.</summary>
    internal static PlanStep SetHostName(string name) => new("set host name", $"\"{name}\"",
        [new SyscallStep(Syscall.sethostname, name, Encoding.UTF8.GetByteCount(name))])
    {
        Hint = FilteredHint,
    };

    /// <summary>setdomainname(2), in the new UTS namespace.</summary>
    internal static PlanStep SetDomainName(string name) => new("set domain name", $"\"{name}\"",
        [new SyscallStep(Syscall.setdomainname, name, Encoding.UTF8.GetByteCount(name))])
    {
        Hint = FilteredHint,
    };

    // Whoever made the namespace may name it: only a filter is left to refuse that.
    private static string? FilteredHint(Errno errno) => errno == Errno.EPERM
        ? "The seccomp filter of an outer container refuses it: start that with --security-opt seccomp=unconfined, or --cap-add SYS_ADMIN."
        : null;

    /// <summary>unshare(2): new namespaces for the process as it is now.</summary>
    internal static PlanStep Leave(NamespaceKinds kinds) => new("make new namespaces for the process:",
        string.Join(", ", kinds.Each().Select(k => k.FileName())),
        [new SyscallStep(Syscall.unshare, StepArgument.Flags((uint)kinds, kinds.CloneNames()))]);

    /// <summary>setns(2) into a namespace whose descriptor, or the pidfd of whose process, is in a slot.</summary>
    internal static PlanStep Join(Slot descriptor, NamespaceKinds kind,
        string subject) => new($"join the {kind.FileName()} namespace of", subject,
        [new SyscallStep(Syscall.setns, descriptor, StepArgument.Flags((uint)kind, kind.CloneNames()))])
        {
            Hint = errno => errno switch
            {
                Errno.EPERM => "Joining needs CAP_SYS_ADMIN in the user namespace that owns it, and the right to look at its process: "
                    + "as its own user, or by CAP_SYS_PTRACE.",
                Errno.ESRCH => "The process has ended.",
                _ => null,
            },
        };

    internal static string? MapHint(Errno errno) => errno switch
    {
        Errno.EPERM =>
            "An ordinary user may map only its own id, or the ranges of /etc/subuid and /etc/subgid through newuidmap and newgidmap.",
        Errno.EINVAL => "The map names an id that is not mapped in the parent namespace, or ranges overlap.",
        Errno.EACCES => "The process is not dumpable, or an LSM forbids user namespaces.",
        _ => null,
    };

    private static PlanStep WriteProc(string action, string subject, string path, string text, Func<Errno, string?>? hint)
    {
        Slot file = new(path[(path.LastIndexOf('/') + 1)..]);
        return new PlanStep(action, subject,
        [
            new SyscallStep(Syscall.openat, StepArgument.CurrentDirectory, path,
                StepArgument.Flags(Fcntl.O_WRONLY | Fcntl.O_CLOEXEC, "O_WRONLY|O_CLOEXEC")) { Result = file },
            new SyscallStep(Syscall.write, file, text, Encoding.UTF8.GetByteCount(text)),
            new SyscallStep(Syscall.close, file),
        ])
        {
            Hint = hint,
        };
    }

    private static string Quote(object text) => "\"" + text.ToString()!.Replace("\n", ", ", StringComparison.Ordinal) + "\"";
}
