using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Isolation.Linux;
using Isolation.Linux.Abi;

namespace Isolation.Security;

/// <summary>Records every call that a program makes, what it opens, executes and connects to, and lets the kernel make the
/// calls: the learning of a profile.</summary>
/// <remarks>Start the program under <see cref="Filter"/>, answer by <see cref="Handle"/>, then take <see cref="Result"/>.
/// A program may do otherwise the next time: learn from several runs.</remarks>
public sealed class SeccompRecorder
{
    // Of these the first argument, or the second, names the operation; a filter can tell them apart, and a handful stays a handful.
    private static readonly Dictionary<string, int> s_operations = new(StringComparer.Ordinal)
    { ["socket"] = 0, ["prctl"] = 0, ["personality"] = 0, ["ioctl"] = 1 };

    private readonly Lock _gate = new();
    private readonly Dictionary<string, long> _calls = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SortedSet<ulong>> _operations = new(StringComparer.Ordinal);
    private readonly SortedSet<string> _read = new(StringComparer.Ordinal), _written = new(StringComparer.Ordinal),
        _executed = new(StringComparer.Ordinal);
    private readonly SortedSet<string> _connected = new(StringComparer.Ordinal), _bound = new(StringComparer.Ordinal);
    private ulong _cloneFlags;

    /// <summary>Has every call wait, but those that every profile allows.</summary>
    public static SeccompFilter Filter { get; } = SeccompFilter.Of(SeccompAction.UserNotify).Allow([.. LearnedProfile.Always])
        .WithFlags(SeccompSteps.KillableWait(KernelVersion.Running));

    /// <summary>Records a call and continues it. A <see cref="SeccompHandler"/>.</summary>
    public ValueTask<SeccompReply> Handle(SeccompNotification call)
    {
        ArgumentNullException.ThrowIfNull(call);
        try
        {
            Record(call);
        }
        catch (LinuxException)
        {
            // The caller is gone, or gave an address where nothing is; the kernel will tell it so.
        }

        return new(SeccompReply.Continue);
    }

    /// <summary>What was recorded until now.</summary>
    public LearnedProfile Result()
    {
        lock (_gate)
        {
            return new LearnedProfile
            {
                Syscalls = _calls.ToImmutableSortedDictionary(StringComparer.Ordinal),
                Operations = _operations.ToImmutableSortedDictionary(o => o.Key, o => o.Value.ToImmutableArray(), StringComparer.Ordinal),
                CloneFlags = _cloneFlags,
                Read = [.. _read],
                Written = [.. _written],
                Executed = [.. _executed],
                Connected = [.. _connected],
                Bound = [.. _bound],
            };
        }
    }

    private void Record(SeccompNotification call)
    {
        string name = call.Call.Name ?? FormattableString.Invariant($"{call.Call.Number}");
        ImmutableArray<ulong> arguments = call.Call.Arguments;
        lock (_gate)
        {
            _calls[name] = _calls.GetValueOrDefault(name) + 1;
            if (s_operations.TryGetValue(name, out int index))
            {
                if (!_operations.TryGetValue(name, out SortedSet<ulong>? seen))
                    _operations.Add(name, seen = []);
                seen.Add((uint)arguments[index]);
            }

            if (name == "clone")
                _cloneFlags |= arguments[0];
        }

        RecordSubject(name, call, arguments);
    }

    private void RecordSubject(string name, SeccompNotification call, ImmutableArray<ulong> arguments)
    {
        switch (name)
        {
            case "open" or "openat" or "openat2" or "creat" when SeccompHandlers.ReadOpen(call) is { } open:
                bool writes = (open.Flags & 3) != 0 || (open.Flags & 0x240) != 0; // O_CREAT, O_TRUNC
                Add(writes ? _written : _read, Path.GetFullPath(open.Path));
                break;
            case "execve":
                Add(_executed, Path.GetFullPath(SeccompHandlers.Absolute(call, Fcntl.AT_FDCWD, call.ReadText(arguments[0]))));
                break;
            case "execveat":
                Add(_executed, Path.GetFullPath(SeccompHandlers.Absolute(call, (int)arguments[0], call.ReadText(arguments[1]))));
                break;
            case "connect" or "bind" when arguments[2] is >= 2 and <= 128:
                var address = new byte[(int)arguments[2]];
                if (call.ReadMemory(arguments[1], address) == address.Length && SeccompHandlers.ReadAddress(address) is { } endPoint)
                    Add(name == "bind" ? _bound : _connected, Text(endPoint));
                break;
        }
    }

    private static string Text(EndPoint endPoint) => endPoint is UnixDomainSocketEndPoint ? "unix:" + endPoint : endPoint.ToString()!;

    private void Add(SortedSet<string> set, string value)
    {
        lock (_gate)
            set.Add(value);
    }
}
