using System.Net.Sockets;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Security;

namespace Isolation.Launcher;

/// <summary>The command line is wrong.</summary>
internal sealed class UsageException(string message) : Exception(message);

/// <summary>What this program tells of what went wrong: one line on standard error.</summary>
internal static class Failure
{
    /// <summary>Writes one line.</summary>
    internal static void Tell(string message) => Write("isolation: " + OneLine(message) + "\n");

    /// <summary>Writes to standard error. Where nobody can be told any more (it is closed, or on a full disk),
    /// the exit code is all that is left.</summary>
    internal static void Write(string text)
    {
        try
        {
            StandardStreams.Error.Write(text);
        }
        catch (Exception e) when (e is IOException or LinuxException)
        {
        }
    }

    /// <summary>Whether an exception comes from what was asked for or from the host, and not from a fault of this program.</summary>
    internal static bool IsExpected(Exception e) => e is UsageException or IsolationException or IOException
        or UnauthorizedAccessException or FormatException or ArgumentException or OverflowException or TimeoutException or SocketException;

    /// <summary>The reason in one line, without the runtime's mention of a parameter that the reader knows nothing of.</summary>
    internal static string Reason(Exception e)
    {
        if (e is SpecException { Faults: { Length: > 1 } faults })
            return $"The container cannot be built: {string.Join("; ", faults)}.";
        int mention = e is ArgumentException ? e.Message.IndexOf(" (Parameter ", StringComparison.Ordinal) : -1;
        return mention < 0 ? e.Message : e.Message[..mention];
    }

    /// <summary>Does what a flag says; what goes wrong is told with its name.</summary>
    internal static T OfFlag<T>(string name, Func<T> apply)
    {
        try
        {
            return apply();
        }
        catch (Exception e) when (IsExpected(e) && e is not UsageException)
        {
            throw new UsageException($"The flag {name}: {Reason(e)}");
        }
    }

    // Backslashes stay: what was escaped before is not escaped again.
    private static string OneLine(string message) => string.Join('\\', message.TrimEnd('\n').Split('\\').Select(PrintableText.Of));
}
