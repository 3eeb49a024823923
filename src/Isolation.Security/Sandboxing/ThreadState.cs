using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>What /proc/self/task/TID/status says of a thread.</summary>
internal sealed record ThreadState(int ThreadId, string Name, CapabilityState Capabilities, bool NoNewPrivileges, bool IsFiltered)
{
    private const string Tasks = "/proc/self/task";

    /// <summary>Whether the thread has these capabilities at most, and can hand on no others.</summary>
    internal bool HasNoMoreThan(CapabilitySet kept) =>
        kept.Contains(Capabilities.Permitted) && kept.Contains(Capabilities.Inheritable) && kept.Contains(Capabilities.Ambient);

    /// <summary>All threads of this process but the calling one; null where /proc does not tell.</summary>
    internal static ImmutableArray<ThreadState>? ReadOthers()
    {
        int self = (int)Linux.Syscalls.RawSyscall.Invoke(Linux.Syscalls.Syscall.gettid).Value;
        try
        {
            return [.. ReadAll().Where(t => t.ThreadId != self)];
        }
        catch (Exception e) when (e is LinuxException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>All threads of this process.</summary>
    /// <exception cref="IOException">/proc is not there.</exception>
    internal static ImmutableArray<ThreadState> ReadAll()
    {
        // One that ends while it is read may have started another where the list had been read already: twice the same is all.
        ImmutableArray<ThreadState> last = [];
        for (int i = 0; i < 20; i++)
        {
            ImmutableArray<ThreadState> now = [.. Directory.GetDirectories(Tasks).Select(Read).OfType<ThreadState>()];
            if (now.Length > 0 && now.Select(t => t.ThreadId).SequenceEqual(last.Select(t => t.ThreadId)))
                break;
            last = now;
        }

        return last;
    }

    private static ThreadState? Read(string path)
    {
        if (TextFile.ReadIfAllowed(path + "/status") is not { } text)
            return null; // it has ended
        string[] lines = text.Split('\n');
        string Value(string name) => lines.FirstOrDefault(l => l.StartsWith(name, StringComparison.Ordinal))?[name.Length..].Trim() ?? "";
        return new ThreadState(int.Parse(Path.GetFileName(path), CultureInfo.InvariantCulture), Value("Name:"), CapabilityState.Parse(text),
            Value("NoNewPrivs:") == "1", Value("Seccomp:") == "2");
    }
}
