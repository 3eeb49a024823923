using System.Collections.Immutable;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>Trees of the host that the parent opens for the child.</summary>
/// <remarks>A root caller's child in a user namespace stands for other ids than root and could not reach what only root reaches; and only
/// the parent may change how a file system of the host shows its owners.</remarks>
internal sealed partial class LaunchPlanner
{
    private Slot? _idMapSource;

    private bool OpensTrees => _userNamespace.IsNew && _facts.IsPrivileged;

    private void AddOpenedTrees()
    {
        if (_spec.Rootfs is DirectoryRootfs directory && (OpensTrees || directory.IdMapped))
        {
            var source = new BindMount(directory.Path, "/") { Recursive = !directory.IdMapped, IdMapped = directory.IdMapped };
            Add(StepSide.Parent, OpenTree("open the root", source, _root, errno => RootSwitch.RootHint(errno, directory.Path)));
        }

        foreach (BindMount bind in _spec.Mounts.OfType<BindMount>().Where(b => OpensTrees || b.IdMapped))
        {
            Slot tree = new("tree");
            if (_mounts.OpenedTrees.TryAdd(bind, tree))
                Add(StepSide.Parent, OpenTree("open the source", bind, tree, errno => MountSteps.BindHint(errno, bind.Source)));
        }
    }

    /// <summary>What shall travel to the host is copied while it still belongs to the host's peer group: a copy that is shared later would
    /// begin a group of its own.</summary>
    private void AddSharedTrees()
    {
        foreach (BindMount bind in _spec.Mounts.OfType<BindMount>().Where(b => b.Propagation == MountPropagation.Shared))
        {
            Slot tree = new("shared");
            if (_mounts.OpenedTrees.TryAdd(bind, tree))
                Add(Inside, OpenTree("open the shared source", bind, tree, errno => MountSteps.BindHint(errno, bind.Source)));
        }
    }

    private void RequirePossibleTrees()
    {
        bool idMapped = _spec.Rootfs is DirectoryRootfs { IdMapped: true } || _spec.Mounts.Any(m => m is BindMount { IdMapped: true });
        if (idMapped && (!_facts.IsPrivileged || _userNamespace.Users is null))
        {
            throw new KernelFeatureException("an idmapped mount", _facts.IsPrivileged ? "the container has no user namespace of its own"
                : _facts.PrivilegeObstacle,
                "Run as root, and give the container a user namespace with an id map.");
        }

        foreach (BindMount bind in _spec.Mounts.OfType<BindMount>().Where(b => b.Propagation == MountPropagation.Shared))
        {
            if (_userNamespace.IsNew || _join.JoinsUser)
            {
                throw new KernelFeatureException($"shared propagation of \"{bind.Source}\"",
                    "mounts of a user namespace never travel to the host",
                    "Use slave propagation, which brings the host's mounts inside, or run as root without a user "
                        + "namespace of the container's own.");
            }

            if (!_facts.IsShared(bind.Source))
            {
                throw new KernelFeatureException($"shared propagation of \"{bind.Source}\"", "it is not on a shared mount of the host",
                    "Make it one: mount --bind DIR DIR, then mount --make-shared DIR.");
            }
        }
    }

    private PlanStep OpenTree(string action, BindMount source, Slot tree, Func<Errno, string?> hint)
    {
        if (!source.IdMapped)
            return new PlanStep(action, MountSteps.Quote(source.Source), MountSteps.OpenSource(source, tree, idMap: null)) { Hint = hint };
        _idMapSource ??= new Slot("id-map");
        Slot copy = new("id-map-copy");
        ImmutableArray<SyscallStep> open = MountSteps.OpenSource(source, tree, copy);
        return new PlanStep(action + " and map the owners of", MountSteps.Quote(source.Source),
        [
            open[0],
            // Its own copy: the descriptor lies in the struct that the call takes.
            new SyscallStep(Syscall.fcntl, _idMapSource, StepArgument.Flags(Fcntl.F_DUPFD_CLOEXEC, "F_DUPFD_CLOEXEC"), 3) { Result = copy },
            open[1],
        ])
        {
            Hint = errno => errno == Errno.EINVAL
                ? "The file system does not support idmapped mounts, or the tree is idmapped already."
                : hint(errno),
        };
    }
}
