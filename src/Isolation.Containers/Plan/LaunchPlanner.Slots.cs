using System.Collections.Immutable;
using Isolation.Linux;
using Isolation.Linux.Launching;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>What the launch itself has to know of the plan: its slots.</summary>
internal sealed partial class LaunchPlanner
{
    private LaunchSlots Launch() => new(
        _form,
        (ulong)ClonedNamespaces,
        _parentThread,
        _form == LaunchForm.Sealed ? _sealedFile : null,
        _form != LaunchForm.InMemory ? _report : null,
        Barrier ? (_readyRead, _readyWrite, _goRead, _goWrite) : null,
        MapsByParent ? new IdMapHandshake(_userNamespace.Users!, _userNamespace.Groups!,
            _userNamespace.Writer == IdMapWriter.Helpers ? _facts.NewUidMap : null,
            _userNamespace.Writer == IdMapWriter.Helpers ? _facts.NewGidMap : null) : null,
        [.. OpenedByParent().Except(Kept)],
        [.. Kept],
        _siblings?.Receive,
        ProgramWaits ? (_programReadyRead, _programGoWrite) : null,
        _hasInit,
        _streams,
        [.. _streams.Presets, .. _join.Presets],
        _terminal?.Receive,
        _start.NetworkPool is null ? null : _pooledNet,
        _idMapSource,
        ChangesDumpable: _form == LaunchForm.InMemory && (_user.UserId != 0 || _userNamespace.IsNew),
        OwnsPid: Owns(NamespaceKinds.Pid),
        MinimumDescriptor: _streams.FirstFree,
        _cgroup,
        _listener?.Receive,
        _hold?.Receive,
        HasNetwork,
        _hostsTree);

    private IEnumerable<Slot> Kept =>
        [.. _streams.Kept, .. _cgroup?.Directories ?? [], .. _terminal is null ? [] : new[] { _terminal.Receive },
            .. _listener is null ? [] : new[] { _listener.Receive }, .. _hold is null ? [] : new[] { _hold.Receive },
            .. _siblings is null ? [] : new[] { _siblings.Receive }];

    /// <summary>Every slot that a parent step fills with a descriptor.</summary>
    private IEnumerable<Slot> OpenedByParent()
    {
        foreach (PlanEntry entry in _entries.Where(e => e.Side == StepSide.Parent))
        {
            foreach (SyscallStep call in entry.Step.Calls)
            {
                if (call is { Result: { } result, Call: not Syscall.mkdirat })
                    yield return result;
                if (call.Call is Syscall.pipe2 or Syscall.socketpair)
                {
                    foreach (Slot slot in SlotsOf(call))
                        yield return slot;
                }
            }
        }

        if (_start.NetworkPool is not null)
            yield return _pooledNet;
        if (_hostsTree is not null)
            yield return _hostsTree;
        if (_form != LaunchForm.InMemory)
            yield return _report;
    }

    private static IEnumerable<Slot> SlotsOf(SyscallStep call) => call.Arguments.SelectMany(SlotsOf);

    private static IEnumerable<Slot> SlotsOf(StepArgument argument) => argument switch
    {
        SlotArgument slot => [slot.Slot],
        DataArgument data => data.Slots.Select(s => s.Slot).Concat(data.Pointers.SelectMany(p => SlotsOf(p.Pointee))),
        _ => [],
    };
}
