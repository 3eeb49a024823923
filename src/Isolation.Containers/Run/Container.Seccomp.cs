using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;
using Isolation.Security;

namespace Isolation.Containers;

public sealed partial class Container
{
    // Different calls that are kept; a program that tries all of them costs no more memory.
    private const int MaximumDenials = 64;

    private readonly Dictionary<(uint, uint), (SeccompDenial Denial, int ProcessId)> _denials = [];
    private SeccompNotifier? _notifier;
    private SeccompFilter? _answered;

    // Before the process is made: the execution of its program may be a call that waits for an answer.
    private void ListenForCalls(ProgramMemory memory)
    {
        if (Plan.Slots.SeccompSocket is not { } socket)
            return;
        _answered = Plan.Spec.Security.Seccomp ?? SeccompFilter.DefaultFor(Plan.Spec.Capabilities.Bounding);
        var end = new LinuxHandle(memory.SlotValue(socket));
        memory.SlotValue(socket) = -1; // the notifier's from here on
        _notifier = SeccompNotifier.StartReceiving(end, Answer);
    }

    private void StopListening() => _notifier?.Dispose();

    private ValueTask<SeccompReply> Answer(SeccompNotification call)
    {
        SeccompVerdict verdict = _answered!.Explain(call.Call);
        if (verdict.Action.Kind == SeccompActionKind.UserNotify)
            return Plan.Asked.SeccompHandler is { } handler ? handler(call) : new(SeccompReply.Fail(Errno.ENOSYS));
        if (verdict.Action.Kind == SeccompActionKind.Errno && CountAgain(call))
            return new(Refusal(verdict.Action));
        // While the call waits its thread lives, and a handle opened meanwhile is of its process and no other.
        int id = call.ProcessId();
        using PidHandle? process = PidHandle.TryOpen(id);
        if (process is null || !call.IsWaiting)
            return new(SeccompReply.Fail(Errno.EPERM));
        Keep(call, verdict, id);
        if (verdict.Action.Kind == SeccompActionKind.Errno)
            return new(Refusal(verdict.Action));
        // The kernel would have killed it without asking; the signal is this process's then, and the report tells why.
        process.TrySendSignal(Signal.SIGKILL);
        return new(SeccompReply.Fail(Errno.EPERM));
    }

    private static SeccompReply Refusal(SeccompAction action) => action.Data == 0
        ? SeccompReply.Return()
        : SeccompReply.Fail((Errno)action.Data);

    /// <summary>Counts a call that has been refused before; false for one that has not.</summary>
    private bool CountAgain(SeccompNotification call)
    {
        lock (_denials)
        {
            if (!_denials.TryGetValue((call.Call.Audit, call.Call.Number), out var known))
                return false;
            _denials[(call.Call.Audit, call.Call.Number)] = (known.Denial with { Count = known.Denial.Count + 1 }, known.ProcessId);
            return true;
        }
    }

    private void Keep(SeccompNotification call, SeccompVerdict verdict, int processId)
    {
        SeccompDenial first;
        lock (_denials)
        {
            if (CountAgain(call) || _denials.Count >= MaximumDenials)
                return;
            first = new SeccompDenial(verdict, 1, ReadName(call.ThreadId), IsFirstProcess: false);
            _denials.Add((call.Call.Audit, call.Call.Number), (first, processId));
        }

        TellDenied(first, processId);
    }

    private static string? ReadName(int threadId)
    {
        try
        {
            return TextFile.ReadIfAllowed(string.Create(CultureInfo.InvariantCulture, $"/proc/{threadId}/comm"))?.TrimEnd('\n');
        }
        catch (LinuxException)
        {
            return null; // a report without a name is better than none
        }
    }

    /// <summary>Nobody is left who could call. What was refused, in the order of the first refusals.</summary>
    private ImmutableArray<SeccompDenial> EndListening()
    {
        StopListening();
        lock (_denials)
            // not known before the start was over
            return [.. _denials.Values.Select(d => d.Denial with { IsFirstProcess = d.ProcessId == ProcessId })];
    }
}
