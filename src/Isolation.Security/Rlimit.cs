using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>A resource limit of a process, kept across execve(2). See getrlimit(2).</summary>
/// <example><code>builder = builder.AddRlimit(Rlimit.Parse("nofile=1024:2048"));</code></example>
/// <param name="Resource">What is limited; its documentation gives the unit.</param>
/// <param name="Soft">The limit that is enforced; <see cref="Max"/> for none.</param>
/// <param name="Hard">The ceiling to which the process may raise the soft limit; <see cref="Max"/> for none.</param>
public sealed record Rlimit(RlimitResource Resource, ulong Soft, ulong Hard)
{
    /// <summary>No limit: <c>RLIM_INFINITY</c>.</summary>
    public const ulong Max = ulong.MaxValue;

    /// <summary>The kernel's name, <c>RLIMIT_NOFILE</c>.</summary>
    public string KernelName => "RLIMIT_" + Resource.ToString().ToUpperInvariant();

    /// <summary>Reads <c>nofile=1024:2048</c>, <c>core=0</c> or <c>nproc=unlimited</c>, as docker's --ulimit takes them.</summary>
    /// <exception cref="FormatException">The text names no resource or no numbers, or the soft limit is above the hard one.</exception>
    public static Rlimit Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] halves = text.Split('=', 2);
        string name = halves[0].StartsWith("RLIMIT_", StringComparison.OrdinalIgnoreCase) ? halves[0][7..] : halves[0];
        if (halves.Length != 2 || !char.IsAsciiLetter(name.FirstOrDefault())
            || !Enum.TryParse(name, ignoreCase: true, out RlimitResource resource))
            throw new FormatException($"\"{text}\" is not a resource limit such as nofile=1024:2048; the names are those of getrlimit(2).");
        string[] values = halves[1].Split(':', 2);
        ulong soft = Value(values[0], text);
        ulong hard = values.Length == 2 ? Value(values[1], text) : soft;
        return soft <= hard ? new(resource, soft, hard) : throw new FormatException($"\"{text}\" has a soft limit above the hard one.");
    }

    /// <inheritdoc/>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Resource.ToString().ToLowerInvariant()}={Text(Soft)}:{Text(Hard)}");

    internal PlanStep Step => new("set resource limit", ToString(),
    [
        new SyscallStep(Syscall.prlimit64, 0, StepArgument.Flags((ulong)Resource, KernelName),
            StepArgument.Words($"{{rlim_cur={Text(Soft)}, rlim_max={Text(Hard)}}}", Soft, Hard), 0),
    ])
    {
        Hint = errno => errno == Errno.EPERM ? "Raising a hard limit needs CAP_SYS_RESOURCE in the initial user namespace." : null,
    };

    private static string Text(ulong value) => value == Max ? "unlimited" : value.ToString(CultureInfo.InvariantCulture);

    private static ulong Value(string text, string whole) => text is "unlimited" or "-1"
        ? Max
        : ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong value)
            ? value
            : throw new FormatException($"\"{whole}\" is not a resource limit such as nofile=1024:2048.");
}
