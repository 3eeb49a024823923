using System.Collections.Immutable;
using System.Text;

namespace Isolation.Security;

/// <summary>The parts of a policy that are in force, for which threads, and what is not covered.</summary>
public sealed record SandboxReport
{
    /// <summary>Threads that have no_new_privs set.</summary>
    public required SandboxScope NoNewPrivileges { get; init; }

    /// <summary>Threads that Landlock restricts.</summary>
    public required SandboxScope Landlock { get; init; }

    /// <summary>What Landlock enforces, and what this kernel cannot.</summary>
    public required LandlockReport LandlockRights { get; init; }

    /// <summary>Threads that have the filter.</summary>
    public required SandboxScope Seccomp { get; init; }

    /// <summary>Threads that lost capabilities.</summary>
    public required SandboxScope Capabilities { get; init; }

    /// <summary>What is not covered, a sentence each; empty where all holds for the whole process.</summary>
    public required ImmutableArray<string> NotCovered { get; init; }

    /// <summary>Whether the whole policy is in force for every thread.</summary>
    public bool IsComplete => NotCovered.IsEmpty;

    /// <inheritdoc/>
    public override string ToString()
    {
        var text = new StringBuilder();
        text.Append("no_new_privs: ").Append(Text(NoNewPrivileges)).Append('\n')
            .Append("Landlock: ").Append(Text(Landlock)).Append("; enforced ").Append(LandlockRights.Enforced).Append('\n')
            .Append("seccomp: ").Append(Text(Seccomp)).Append('\n')
            .Append("capabilities: ").Append(Text(Capabilities)).Append('\n');
        foreach (string line in NotCovered)
            text.Append("not covered: ").Append(line).Append('\n');
        return text.ToString();
    }

    private static string Text(SandboxScope scope) => scope switch
    {
        SandboxScope.Process => "all threads",
        SandboxScope.CallingThread => "the calling thread and what it starts",
        _ => "not in force",
    };
}
