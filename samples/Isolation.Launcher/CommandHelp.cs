using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Isolation.Launcher;

/// <summary>Help and documentation, from the table of commands.</summary>
internal static class CommandHelp
{
    private const int Column = 42, Width = 140;

    internal static async Task<int> PrintAsync(CommandLine line)
    {
        string words = string.Join(' ', line.Operands);
        ImmutableArray<Command> group = [.. Shown.Where(c => c.Words.StartsWith(words + " ", StringComparison.Ordinal))];
        string text = words.Length == 0 ? Overview() : group.IsEmpty ? Of(Commands.Find(line.Operands)) : List(group);
        await StandardStreams.Output.WriteAsync(text);
        return 0;
    }

    /// <summary>The help of one command.</summary>
    internal static string Of(Command command) =>
        $"{Usage(command)}\n{Capital(command.Summary)}.\n{(command.Flags.IsEmpty ? "" : "\n")}{Flags(command)}";

    /// <summary>The page of the documentation.</summary>
    internal static string Page()
    {
        var page = new StringBuilder($"""
            # The launcher

            `isolation` runs commands in containers from the command line, with the flags that docker users know. This page is written from
            its table of commands; `isolation help`, `isolation COMMAND --help` and `isolation completion bash|zsh|fish` agree with it.

            The order of words is docker's. The first word that is no flag is the command, and what follows it is the command's own:
            `isolation run -m 64m sh -c 'echo $0'` needs no `--`. A value is attached or in the next word: `-m64m`, `-m=64m`, `-m 64m`,
            `--memory=64m`, `--memory 64m`. Switches can be joined, `-it`, and switched off: `--init=false`. Of a flag that is
            given twice the last one holds, unless it adds to a list.

            The exit code is the command's, or 128 plus the number of the signal that ended it; 125 for errors of the launcher, 126 where
            the command could not be executed, 127 where it was not found, 141 when nobody reads the output any more.


            """);
        foreach (Command command in Shown)
        {
            page.Append(CultureInfo.InvariantCulture, $"## {command.Words}\n\n    {Usage(command)}\n\n{Capital(command.Summary)}.\n\n");
            if (command.Words == "learn")
                page.Append("It takes the flags of run too, beside its own:\n\n");
            AppendTable(page,
                [.. command.Flags.Where(f => f is not RefusedFlag && (command.Words != "learn" || !RunFlags.All.Contains(f)))]);
        }

        page.Append("## Flags of docker that are refused\n\nThe launcher knows them and refuses each with an error: it ignores none.\n\n")
            .Append("| Flag | What is missing |\n| --- | --- |\n");
        foreach (IGrouping<string, RefusedFlag> part in RunFlags.All.OfType<RefusedFlag>().GroupBy(f => f.Part))
        {
            string names = string.Join(", ", part.SelectMany(f => f.AllNames).Select(n => $"`{n}`"));
            page.Append(CultureInfo.InvariantCulture, $"| {names} | {part.Key} |\n");
        }

        return page.ToString();
    }

    private static ImmutableArray<Command> Shown => [.. Commands.All.Where(c => !c.Hidden)];

    private static string Overview() => $"""
        {List(Shown)}
        "isolation COMMAND --help" shows the flags of a command.

        flags of run:
        {Flags(Commands.Find(["run"]))}
        """;

    private static string List(ImmutableArray<Command> commands)
    {
        var text = new StringBuilder();
        foreach (Command command in commands)
            AppendEntry(text, Usage(command), command.Summary, 0);
        return text.ToString();
    }

    private static string Usage(Command command) =>
        $"isolation {command.Words}{(command.Flags.IsEmpty ? "" : " [FLAGS]")} {command.Operands}".TrimEnd();

    private static string Flags(Command command)
    {
        var text = new StringBuilder();
        foreach (Flag flag in command.Flags.Where(f => f is not RefusedFlag))
            AppendEntry(text, $"{string.Join(", ", flag.AllNames)}{(flag.Value is null ? "" : " ")}{flag.Value}", flag.Help, 2);
        return text.ToString();
    }

    /// <summary>One entry, its text in a column of its own, below where the left side is too long.</summary>
    private static void AppendEntry(StringBuilder text, string left, string right, int indent)
    {
        text.Append(' ', indent).Append(left);
        int at = indent + left.Length;
        if (at > Column - 2)
        {
            text.Append('\n');
            at = 0;
        }

        text.Append(' ', Column - at);
        at = Column;
        foreach (string word in right.Split(' '))
        {
            if (at + word.Length > Width)
            {
                text.Append('\n').Append(' ', Column);
                at = Column;
            }

            text.Append(at == Column ? "" : " ").Append(word);
            at += word.Length + 1;
        }

        text.Append('\n');
    }

    private static void AppendTable(StringBuilder page, ImmutableArray<Flag> flags)
    {
        if (flags.IsEmpty)
            return;
        page.Append("| Flag | Value | Effect |\n| --- | --- | --- |\n");
        foreach (Flag flag in flags)
        {
            string names = string.Join(", ", flag.AllNames.Select(n => $"`{n}`"));
            page.Append(CultureInfo.InvariantCulture,
                $"| {names} | {(flag.Value is null ? "" : $"`{Cell(flag.Value)}`")} | {Cell(flag.Help)} |\n");
        }

        page.Append('\n');
    }

    private static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal);

    private static string Capital(string text) => char.ToUpperInvariant(text[0]) + text[1..];
}
