using System.Collections.Immutable;

namespace Isolation.Launcher;

/// <summary>What the words of a command are that are no flags.</summary>
internal enum OperandKind
{
    /// <summary>Anything.</summary>
    Any,

    /// <summary>A program and its arguments.</summary>
    Program,

    /// <summary>Running containers.</summary>
    Container,

    /// <summary>Networks.</summary>
    Network,

    /// <summary>Files.</summary>
    File,

    /// <summary>Commands of this program.</summary>
    Command,

    /// <summary>Shells that completion is for.</summary>
    Shell,
}

/// <summary>A command of this program: its words, such as <c>network create</c>, what it does, and its flags.</summary>
internal sealed record Command(string Words, string Summary, ImmutableArray<Flag> Flags, Func<CommandLine, Task<int>> RunAsync)
{
    /// <summary>How its operands are shown: <c>NAME...</c>; empty for none.</summary>
    internal string Operands { get; init; } = "";

    /// <summary>What is said where there are too few or too many.</summary>
    internal string Takes { get; init; } = "takes no arguments";

    internal int Least { get; init; }

    internal int Most { get; init; }

    internal OperandKind Kind { get; init; }

    /// <summary>Whether its first operand ends its flags, since what follows is another program's.</summary>
    internal bool RunsAnother => Kind == OperandKind.Program;

    /// <summary>Whether a word such as <c>-1</c> is a number and no flag.</summary>
    internal bool TakesNumbers { get; init; }

    /// <summary>Whether it is left out of help and documentation.</summary>
    internal bool Hidden { get; init; }

    internal Flag? FindFlag(string name) => Flags.FirstOrDefault(f => f.AllNames.Contains(name));

    /// <summary>Reads its words and does it.</summary>
    internal async Task<int> RunWordsAsync(IReadOnlyList<string> words)
    {
        CommandLine line = CommandLine.Parse(this, words);
        if (line.AsksForHelp)
        {
            await StandardStreams.Output.WriteAsync(CommandHelp.Of(this));
            return 0;
        }

        int count = line.Operands.Length;
        if (count < Least || count > Most || line.Operands.Any(o => o.Length == 0 && Kind is OperandKind.Container or OperandKind.Network))
            throw new UsageException($"{Words} {Takes}.");
        return await RunAsync(line);
    }
}
