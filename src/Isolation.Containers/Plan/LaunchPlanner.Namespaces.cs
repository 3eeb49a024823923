using System.Text;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>Which namespaces are the container's own.</summary>
internal sealed partial class LaunchPlanner
{
    private NamespaceKinds NewNamespaces
    {
        get
        {
            NamespaceKinds kinds = NamespaceKinds.Mount | NamespaceKinds.Uts | NamespaceKinds.Ipc | NamespaceKinds.Pid | NamespaceKinds.Net
                | NamespaceKinds.Cgroup;
            kinds &= ~_spec.Namespaces.SharedWithHost;
            foreach (JoinedNamespace joined in _start.Joined)
                kinds &= ~joined.Kind;
            if (_start.NetworkPool is not null)
                kinds &= ~NamespaceKinds.Net;
            if (_spec.Namespaces.TimeOffsets is not null)
                kinds |= NamespaceKinds.Time;
            kinds &= ~LateNamespaces;
            return _userNamespace.IsNew ? kinds | NamespaceKinds.User : kinds;
        }
    }

    private bool Owns(NamespaceKinds kind) => !_spec.Namespaces.SharedWithHost.HasFlag(kind)
        && _start.Joined.All(j => j.Kind != kind);

    /// <summary>In a new user namespace, proc and sysfs of namespaces that are not its own cannot be
    /// mounted; the host's are seen instead.</summary>
    private Mount Possible(Mount mount) => mount switch
    {
        ProcMount proc when _userNamespace.IsNew && !Owns(NamespaceKinds.Pid) => new BindMount("/proc", proc.Destination, proc.Flags),
        SysfsMount sysfs when _userNamespace.IsNew && (!Owns(NamespaceKinds.Net) || _start.NetworkPool is not null) =>
            new BindMount("/sys", sysfs.Destination, sysfs.Flags),
        _ => mount,
    };

    /// <summary>The /dev/shm of the process whose IPC namespace is joined; null where none is, or no shared memory is mounted.</summary>
    private Slot? AddSharedMemory()
    {
        if (_join.IpcProcess is not { } other || !_spec.Mounts.Any(m => m is DevMount { HasShm: true }))
            return null;
        Slot tree = new("joined-shm");
        Add(Inside, SharedMemorySteps.Take(other.Process, other.Subject, tree, _facts.Architecture));
        return tree;
    }

    /// <summary>The settings for other users than root that nobody asked to be otherwise; a pool's namespace has them from its
    /// maker.</summary>
    private IEnumerable<PlanStep> UnprivilegedNetworkSteps()
    {
        if (!Owns(NamespaceKinds.Net) || _start.NetworkPool is not null)
            yield break;
        // Those of another container's user namespace are not known here.
        IdMap? groups = _join.JoinsUser ? IdMap.Single(0, 0) : _userNamespace.IsNew ? _userNamespace.Groups : _facts.OwnGroupIds;
        foreach ((string name, string value) in UnprivilegedNetwork.Settings(groups).Where(s => !_spec.Sysctls.ContainsKey(s.Name)))
        {
            Slot file = new("sysctl");
            string path = "/proc/sys/" + name.Replace('.', '/');
            // Through any proc: net is that of the network namespace of whoever opens it. The container's own may be written where the
            // host's is not.
            SyscallStep open = _mounts.Proc is { } proc
                ? new SyscallStep(Syscall.openat, proc, path["/proc/".Length..],
                    StepArgument.Flags(Fcntl.O_WRONLY | Fcntl.O_CLOEXEC, "O_WRONLY|O_CLOEXEC"))
                : new SyscallStep(Syscall.openat, StepArgument.CurrentDirectory, path,
                    StepArgument.Flags(Fcntl.O_WRONLY | Fcntl.O_CLOEXEC, "O_WRONLY|O_CLOEXEC"));
            yield return new PlanStep($"set sysctl {name} to", MountSteps.Quote(value),
            [
                open with { Result = file, Tolerated = UnprivilegedNetwork.Tolerated, SkipOnTolerated = 2 },
                new SyscallStep(Syscall.write, file, value, Encoding.ASCII.GetByteCount(value)),
                new SyscallStep(Syscall.close, file),
            ]);
        }
    }

    private static string NamespaceNames(NamespaceKinds kinds) =>
        kinds == NamespaceKinds.None
            ? "this process's namespaces"
            : "new namespaces: " + string.Join(", ", kinds.Each().Select(k => k.FileName()));
}
