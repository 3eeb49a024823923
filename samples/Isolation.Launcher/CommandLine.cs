using System.Collections.Immutable;

namespace Isolation.Launcher;

/// <summary>The words of a command, read by its table of flags, as docker reads them: values attached (<c>-m64m</c>, <c>-m=64m</c>,
/// <c>--memory=64m</c>) or in the next word, switches joined (<c>-it</c>) or with a value of their own (<c>--rm=true</c>).</summary>
/// <param name="Command">The command.</param>
/// <param name="Given">The flags, in their order.</param>
/// <param name="Operands">The other words.</param>
/// <param name="AsksForHelp">Whether <c>--help</c> was among the flags; what follows it was not read then.</param>
internal sealed record CommandLine(Command Command, ImmutableArray<GivenFlag> Given, ImmutableArray<string> Operands, bool AsksForHelp)
{
    internal const string True = "true", False = "false";

    /// <summary>Reads words. <c>--</c> ends the flags; so does, for commands that run another, the first word that is none.</summary>
    /// <exception cref="UsageException">A flag does not exist or is refused, lacks its value, or has one that it does not take.</exception>
    internal static CommandLine Parse(Command command, IReadOnlyList<string> words)
    {
        var given = ImmutableArray.CreateBuilder<GivenFlag>();
        var operands = ImmutableArray.CreateBuilder<string>();
        int i = 0;
        for (; i < words.Count && words[i] != "--"; i++)
        {
            if (IsOperand(command, words[i]))
            {
                if (command.RunsAnother)
                    break;
                operands.Add(words[i]);
                continue;
            }

            foreach ((string name, string? attached) in Split(command, words[i]))
            {
                if (command.FindFlag(name) is not { } flag)
                    return name is "--help" or "-h" ? new CommandLine(command, [], [], true)
                        : throw new UsageException(Unknown(command, name));
                if (flag is RefusedFlag refused)
                    throw new UsageException($"The flag {name} is known but not built yet: this version has no {refused.Part}.");
                string value = flag.Value is null ? ParseSwitch(name, attached ?? True)
                    : attached ?? (++i < words.Count ? words[i]
                        : throw new UsageException($"The flag {name} needs a value: {flag.Value}."));
                given.Add(new GivenFlag(flag, name, value));
            }
        }

        operands.AddRange(words.Skip(i < words.Count && words[i] == "--" ? i + 1 : i));
        return new CommandLine(command, given.ToImmutable(), operands.ToImmutable(), false);
    }

    /// <summary>What the flags for options of this type make of them.</summary>
    /// <exception cref="UsageException">A value is wrong; the flag is named.</exception>
    internal static T Apply<T>(IEnumerable<GivenFlag> given, T options)
    {
        foreach (GivenFlag one in given)
        {
            if (one.Flag is Flag<T> flag)
                options = Failure.OfFlag(one.Name, () => flag.Apply(options, one.Value));
        }

        return options;
    }

    internal T Apply<T>(T options) => Apply(Given, options);

    private static bool IsOperand(Command command, string word) =>
        !word.StartsWith('-') || word.Length == 1 || (command.TakesNumbers && char.IsAsciiDigit(word[1]));

    /// <summary>The flags of one word, each with the value that is attached to it.</summary>
    private static IEnumerable<(string Name, string? Value)> Split(Command command, string word)
    {
        if (word.StartsWith("--", StringComparison.Ordinal))
        {
            int equals = word.IndexOf('=', StringComparison.Ordinal);
            yield return equals < 0 ? (word, null) : (word[..equals], word[(equals + 1)..]);
            yield break;
        }

        for (int i = 1; i < word.Length; i++)
        {
            string name = "-" + word[i], rest = word[(i + 1)..];
            bool takesRest = rest.StartsWith('=') || (rest.Length > 0 && command.FindFlag(name) is { Value: not null });
            yield return (name, takesRest ? rest[(rest[0] == '=' ? 1 : 0)..] : null);
            if (takesRest)
                yield break;
        }
    }

    // The words of Go's strconv.ParseBool, which docker takes.
    private static string ParseSwitch(string name, string text) => text switch
    {
        "1" or "t" or "T" or "true" or "True" or "TRUE" => True,
        "0" or "f" or "F" or "false" or "False" or "FALSE" => False,
        _ => throw new UsageException($"The flag {name}: \"{text}\" is neither true nor false."),
    };

    private static string Unknown(Command command, string name)
    {
        string[] known = [.. command.Flags.Where(f => f is not RefusedFlag).Select(f => f.AllNames[^1])];
        return $"There is no flag {name}" + known switch
        {
            [] => $"; {command.Words} has none.",
            [var only] => $"; there is {only}.",
            { Length: <= 6 } => $"; there are {string.Join(", ", known[..^1])} and {known[^1]}.",
            _ => ".",
        };
    }
}
