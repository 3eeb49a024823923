using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>Idmapped mounts: prepared by the parent, who alone may change how a file system of the host shows its owners.</summary>
internal sealed partial class LaunchPlanner
{
    private Slot? _idMapSource;

    private void AddIdMappedTrees()
    {
        if (_spec.Rootfs is DirectoryRootfs { IdMapped: true } directory)
            Add(StepSide.Parent, IdMappedTree(directory.Path, _root, recursive: false));
        foreach (BindMount bind in _spec.Mounts.OfType<BindMount>().Where(b => b.IdMapped))
        {
            Slot tree = new("idmapped");
            _mounts.IdMappedTrees[bind] = tree;
            Add(StepSide.Parent, IdMappedTree(bind.Source, tree, bind.Recursive));
        }
    }

    private PlanStep IdMappedTree(string path, Slot tree, bool recursive)
    {
        _idMapSource ??= new Slot("id-map");
        Slot copy = new("id-map-copy");
        return new PlanStep("map the owners of", MountSteps.Quote(path),
        [
            MountCalls.CloneTree(StepArgument.CurrentDirectory, path, tree, recursive),
            new SyscallStep(Syscall.fcntl, _idMapSource, StepArgument.Flags(Fcntl.F_DUPFD_CLOEXEC, "F_DUPFD_CLOEXEC"), 3) { Result = copy },
            MountCalls.SetAttributes(tree, "", MountFlags.None, MountPropagation.Private, recursive, copy),
        ])
        {
            Hint = errno => errno == Linux.Errno.EINVAL ? "The file system does not support idmapped mounts, or the tree is idmapped already." : null,
        };
    }
}
