using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using Isolation.Linux;

namespace Isolation.Security;

/// <summary>Reads and writes filters as JSON: OCI's <c>linux.seccomp</c>, the profiles of Docker and Podman, a whole config.json.</summary>
/// <remarks>Read as runc reads it, and libseccomp below that: a rule with the default action is none, an argument that is named twice makes
/// alternatives, the host's own architecture is always in. Other than there the order of rules has no meaning, a comparison looks at as
/// many bits as the call takes (an <c>int</c> has 32, which keeps a refusal from being got around by the others; a mask is taken as it is),
/// and an entry that refuses calls of which none is known is an error. Calls above the highest number that the profile names fail with
/// <c>ENOSYS</c>, unless the default lets them run: <see cref="SeccompFilter.NewestSyscalls"/>. See the OCI runtime specification,
/// "Seccomp".</remarks>
/// <example><code>
/// SeccompFilter filter = SeccompProfile.ReadFile("/etc/docker/seccomp.json");
/// Console.WriteLine(SeccompProfile.Write(filter));
/// </code></example>
public static class SeccompProfile
{
    private const int MaximumBytes = 4 << 20;

    internal static ImmutableArray<string> Comparisons { get; } =
        ["SCMP_CMP_EQ", "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_GT", "SCMP_CMP_GE", "SCMP_CMP_MASKED_EQ"];

    internal static ImmutableArray<string> Actions { get; } =
    [
        "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP", "SCMP_ACT_ERRNO", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE",
        "SCMP_ACT_LOG", "SCMP_ACT_ALLOW",
    ];

    internal static ImmutableArray<(string Name, SeccompFlags Flag)> Flags { get; } =
    [
        ("SECCOMP_FILTER_FLAG_TSYNC", SeccompFlags.None), // of no meaning for a new process
        ("SECCOMP_FILTER_FLAG_LOG", SeccompFlags.Log),
        ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", SeccompFlags.SpecAllow),
        ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SeccompFlags.WaitKillableRecv),
    ];

    /// <summary>Whether calls that are newer than those which a profile names fail with <c>ENOSYS</c>: not where they may run.</summary>
    internal static bool RefusesNewer(SeccompAction defaultAction) => defaultAction != SeccompAction.Errno(Errno.ENOSYS)
        && defaultAction.Kind is not (SeccompActionKind.Allow or SeccompActionKind.Log or SeccompActionKind.Trace);

    /// <summary>Reads a profile.</summary>
    /// <param name="json">The text.</param>
    /// <param name="host">What includes and excludes are decided by; null for this host and Docker's capabilities.</param>
    /// <returns>The filter. Names that no table has are in <see cref="SeccompFilter.UnknownNames"/>.</returns>
    /// <exception cref="FormatException">It is no JSON, or no profile; names the place.</exception>
    public static SeccompFilter Read(string json, SeccompProfileHost? host = null)
    {
        ArgumentNullException.ThrowIfNull(json);
        try
        {
            return Read(new UTF8Encoding(false, throwOnInvalidBytes: true).GetBytes(json), host);
        }
        catch (EncoderFallbackException e)
        {
            throw new FormatException(
                FormattableString.Invariant($"The seccomp profile is no JSON: half of a surrogate pair at character {e.Index + 1}."), e);
        }
    }

    /// <summary>Reads a profile's file, of at most 4 MiB.</summary>
    /// <param name="path">The file.</param>
    /// <param name="host">What includes and excludes are decided by; null for this host and Docker's capabilities.</param>
    /// <returns>The filter. Names that no table has are in <see cref="SeccompFilter.UnknownNames"/>.</returns>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    /// <exception cref="FormatException">It is larger, is no JSON, or no profile; names the place.</exception>
    public static SeccompFilter ReadFile(string path, SeccompProfileHost? host = null)
    {
        using FileStream file = File.OpenRead(path);
        var bytes = new byte[64 << 10];
        int count = 0;
        // A device or a pipe tells no length.
        for (int read; (read = file.Read(bytes, count, bytes.Length - count)) > 0;)
        {
            count += read;
            if (count > MaximumBytes)
                throw new FormatException($"The seccomp profile is larger than {MaximumBytes >> 20} MiB.");
            if (count == bytes.Length)
                Array.Resize(ref bytes, count * 2);
        }

        ReadOnlyMemory<byte> text = bytes.AsMemory(0, count);
        return Read(text.Span.StartsWith("\ufeff"u8) ? text[3..] : text, host);
    }

    /// <summary>Writes a filter as OCI's <c>linux.seccomp</c>, so that this library,
    /// runc and libseccomp decide by it as the filter does.</summary>
    /// <remarks>Where several rules of a call contradict one another, or compare what a profile cannot, as many rules are written as it
    /// takes for no two of them to match one call. OCI has no words for the action for foreign architectures: it is left out. Nor has it
    /// words for the action for newer calls, which is <c>ENOSYS</c> to all readers unless the default lets them run; the newest calls that
    /// the filter knows are named.</remarks>
    /// <param name="filter">The filter.</param>
    /// <exception cref="InvalidOperationException">A profile cannot say it, and would let something through: the rule is named.</exception>
    public static string Write(SeccompFilter filter)
    {
        ArgumentNullException.ThrowIfNull(filter);
        return SeccompProfileWriter.Write(filter);
    }

    private static SeccompFilter Read(ReadOnlyMemory<byte> json, SeccompProfileHost? host)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json,
                new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
            return new SeccompProfileReader(host ?? new SeccompProfileHost()).Read(document.RootElement);
        }
        catch (JsonException e)
        {
            throw new FormatException(FormattableString.Invariant(
                $"The seccomp profile is no JSON: it goes wrong at line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}."), e);
        }
    }
}
