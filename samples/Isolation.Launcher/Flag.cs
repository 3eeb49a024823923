using System.Collections.Immutable;
using System.Text.RegularExpressions;

namespace Isolation.Launcher;

/// <summary>A flag of a command: its names, separated by blanks, the name of its value (null for a switch), and its help.</summary>
internal abstract partial record Flag(string Names, string? Value, string Help)
{
    private readonly ImmutableArray<string> _choices;

    /// <summary>Every name, such as <c>-m</c> and <c>--memory</c>.</summary>
    internal string[] AllNames => Names.Split(' ');

    /// <summary>Words that a value may be or begin with, for completion. Unless given, those of the value's name that are no
    /// placeholders.</summary>
    internal ImmutableArray<string> Choices
    {
        get => _choices.IsDefault ? [.. ChoiceOf().Matches(Value ?? "").Select(m => m.Value)] : _choices;
        init => _choices = value;
    }

    [GeneratedRegex("(?<=^|\\|)[a-z][a-z0-9-]*(:(?=[A-Z])|(?=\\||$))")]
    private static partial Regex ChoiceOf();
}

/// <summary>A flag that changes options of a type.</summary>
internal sealed record Flag<T>(string Names, string? Value, string Help, Func<T, string, T> Apply) : Flag(Names, Value, Help)
{
    /// <summary>A flag without a value, or with true or false.</summary>
    internal static Flag<T> Switch(string names, string help, Func<T, bool, T> apply) =>
        new(names, null, help, (options, value) => apply(options, value == CommandLine.True));
}

/// <summary>A flag of docker that this program refuses by name.</summary>
internal sealed record RefusedFlag(string Names, string? Value, string Part) : Flag(Names, Value, $"not built yet: {Part}");

/// <summary>A flag as it was given.</summary>
/// <param name="Flag">The flag.</param>
/// <param name="Name">The name that was used.</param>
/// <param name="Value">The value; of a switch <c>true</c> or <c>false</c>.</param>
internal sealed record GivenFlag(Flag Flag, string Name, string Value);
