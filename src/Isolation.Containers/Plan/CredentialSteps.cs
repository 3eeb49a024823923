using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;
using Isolation.Security;

namespace Isolation.Containers;

/// <summary>Lowers user, groups and capabilities, in the order that the kernel needs.</summary>
internal static class CredentialSteps
{
    /// <summary>Becomes the container's root for the set-up, so that what it makes has the right owner.</summary>
    /// <param name="joined">Whether the namespace is another container's, which may deny setgroups(2) for good.</param>
    internal static PlanStep BecomeRoot(bool joined) => new("become user 0 of", "the user namespace",
    [
        Ids(Syscall.setresgid, 0),
        DropGroups(joined),
        Ids(Syscall.setresuid, 0),
    ]);

    /// <summary>Capabilities and ids, in one order: bounding set while CAP_SETPCAP is there, ids, then the other sets.</summary>
    internal static IEnumerable<PlanStep> Become(ResolvedUser user, CapabilityState wanted, CapabilitySet present,
        bool canChangeIds, bool joined)
    {
        if (CapabilitySteps.LimitBounding(wanted.Bounding, present) is { } bounding)
            yield return bounding;
        bool root = user.UserId == 0;
        // Another user than root keeps capabilities across execve only by the ambient set.
        bool keep = root || !wanted.Ambient.IsEmpty || !wanted.Inheritable.IsEmpty;
        if (canChangeIds)
        {
            if (!root && keep)
                yield return CapabilitySteps.KeepAcrossUserChange();
            yield return ChangeUser(user, joined);
        }

        yield return keep
            ? CapabilitySteps.Set(wanted.Permitted, wanted.Effective, wanted.Inheritable)
            : CapabilitySteps.Set(CapabilitySet.None, CapabilitySet.None, CapabilitySet.None);
        if (!wanted.Ambient.IsEmpty)
            yield return CapabilitySteps.SetAmbient(wanted.Ambient);
    }

    /// <summary>Makes every capability ambient, so that another user than root keeps them across the start of the sealed image.</summary>
    internal static IEnumerable<PlanStep> KeepAllAcrossExec(CapabilitySet known)
    {
        yield return CapabilitySteps.Set(known, known, known);
        yield return CapabilitySteps.SetAmbient(known);
    }

    private static PlanStep ChangeUser(ResolvedUser user, bool joined) => new("become",
        string.Create(CultureInfo.InvariantCulture, $"user {user.UserId}, group {user.GroupId}"),
    [
        user.Groups.IsEmpty ? DropGroups(joined) : new SyscallStep(Syscall.setgroups, user.Groups.Length, Groups(user.Groups)),
        Ids(Syscall.setresgid, user.GroupId),
        Ids(Syscall.setresuid, user.UserId),
    ])
    {
        Hint = errno => errno == Errno.EINVAL ? "The id is not mapped in the container's user namespace." : null,
    };

    private static SyscallStep DropGroups(bool joined) =>
        new(Syscall.setgroups, 0, StepArgument.Null) { Tolerated = joined ? [Errno.EPERM] : [] };

    private static SyscallStep Ids(Syscall call, uint id) => new(call, id, id, id);

    private static StepArgument Groups(ImmutableArray<uint> groups)
    {
        if (groups.IsEmpty)
            return StepArgument.Null;
        var bytes = new byte[groups.Length * 4];
        for (int i = 0; i < groups.Length; i++)
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(i * 4), groups[i]);
        return StepArgument.Bytes(bytes, "[" + string.Join(", ", groups) + "]");
    }
}
