using System.Collections.Immutable;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Security;

namespace Isolation.Launcher;

/// <summary><c>isolation completion</c>: scripts for shells, which ask this program what a line can go on with.</summary>
internal static class CompletionCommand
{
    /// <summary>What the shell is to complete by itself.</summary>
    private const string Files = ":files", Programs = ":programs";

    private static readonly ImmutableDictionary<string, string> s_scripts = ImmutableDictionary<string, string>.Empty
        .Add("bash", """
            # source <(isolation completion bash)
            _isolation() {
                local IFS=$'\n' word=${COMP_WORDS[COMP_CWORD]}
                [[ $word == [=:] ]] && word=
                COMPREPLY=($(isolation complete bash "${COMP_LINE:0:COMP_POINT}" 2>/dev/null))
                case ${COMPREPLY[0]} in
                    :files) COMPREPLY=($(compgen -f -- "$word")); compopt -o filenames ;;
                    :programs) COMPREPLY=($(compgen -c -- "$word")) ;;
                    *[=:]) compopt -o nospace ;;
                esac
            }
            complete -F _isolation isolation

            """)
        .Add("zsh", """
            #compdef isolation
            # source <(isolation completion zsh)
            _isolation() {
                local -a found=("${(@f)$(isolation complete zsh "$LBUFFER" 2>/dev/null)}")
                case ${found[1]} in
                    :files) _files ;;
                    :programs) _command_names -e ;;
                    *[=:]) compadd -S '' -- "${found[@]}" ;;
                    *) compadd -- "${found[@]}" ;;
                esac
            }
            compdef _isolation isolation

            """)
        .Add("fish", """
            # isolation completion fish | source
            function __isolation
                set -l found (isolation complete fish (commandline -cp) 2>/dev/null)
                switch "$found[1]"
                    case ':files'
                        __fish_complete_path (commandline -ct)
                    case ':programs'
                        __fish_complete_command
                    case '*'
                        printf '%s\n' $found
                end
            end
            complete -c isolation -f -a '(__isolation)'

            """);

    internal static async Task<int> PrintScriptAsync(CommandLine line)
    {
        if (!s_scripts.TryGetValue(line.Operands[0], out string? script))
            throw new UsageException($"completion {line.Command.Takes}.");
        await StandardStreams.Output.WriteAsync(script);
        return 0;
    }

    internal static async Task<int> CompleteAsync(CommandLine line)
    {
        // The last word is the one that is being written; the first is this program's name.
        string[] words = line.Operands[1].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (line.Operands[1].EndsWith(' ') || words.Length == 0)
            words = [.. words, ""];
        (IEnumerable<string> found, string written) = Complete(words.Length == 1 ? [""] : words[1..]);
        // bash replaces what follows the last of its word breaks only.
        int kept = line.Operands[0] == "bash" ? words[^1].LastIndexOfAny(['=', ':']) + 1 : 0;
        string before = words[^1][..^written.Length];
        foreach (string one in found)
        {
            if (one.StartsWith(':'))
                await StandardStreams.Output.WriteLineAsync(one);
            else if (one.StartsWith(written, StringComparison.Ordinal))
                await StandardStreams.Output.WriteLineAsync((before + one)[kept..]);
        }

        return 0;
    }

    /// <summary>What the last word can be, and the part of it that is written already.</summary>
    private static (IEnumerable<string> Found, string Written) Complete(string[] words)
    {
        if (words.Length == 1)
            return (Commands.FirstWords, words[0]);
        Command[] commands = [.. Commands.All.Where(c => c.Words.Split(' ')[0] == words[0])];
        int length = commands.Length == 0 ? 1 : commands[0].Words.Split(' ').Length;
        if (length == 2 && words.Length == 2)
            return (Commands.SecondWords(commands), words[1]);
        return commands.FirstOrDefault(c => c.Words == string.Join(' ', words.Take(length))) is { } command
            ? Complete(command, words[length..]) : ([], words[^1]);
    }

    private static (IEnumerable<string> Found, string Written) Complete(Command command, string[] words)
    {
        string last = words[^1];
        Flag? wanting = null;
        for (int i = 0; i < words.Length - 1; i++)
        {
            string word = words[i];
            if (wanting is not null)
                wanting = null;
            else if (word == "--" || (command.RunsAnother && !word.StartsWith('-')))
                return ([command.RunsAnother && i == words.Length - 2 && word == "--" ? Programs : Files], last);
            else if (word.StartsWith("--", StringComparison.Ordinal) || word.Length == 2)
                wanting = command.FindFlag(word) is { Value: not null } flag ? flag : null;
        }

        if (wanting is not null)
            return (Values(wanting), last);
        int equals = last.IndexOf('=', StringComparison.Ordinal);
        if (last.StartsWith("--", StringComparison.Ordinal) && equals > 0)
            return (command.FindFlag(last[..equals]) is { } flag ? Values(flag) : [], last[(equals + 1)..]);
        return last.StartsWith('-') ? (command.Flags.Where(f => f is not RefusedFlag).SelectMany(f => f.AllNames).Append("--help"), last)
            : (Operands(command.Kind), last);
    }

    private static ImmutableArray<string> Values(Flag flag) => flag switch
    {
        { Choices: [_, ..] choices } => choices,
        { Value: { } value } when value.StartsWith("DIR", StringComparison.Ordinal) || value.StartsWith("SRC", StringComparison.Ordinal)
            || value.StartsWith("PATH", StringComparison.Ordinal) || value.StartsWith("FILE", StringComparison.Ordinal) => [Files],
        { Value: "CAP" } => [.. Enum.GetValues<Capability>().Select(c => CapabilitySet.KernelName(c)["CAP_".Length..]), "ALL"],
        _ => [],
    };

    private static IEnumerable<string> Operands(OperandKind kind)
    {
        try
        {
            return kind switch
            {
                OperandKind.Program => [Programs],
                OperandKind.File => [Files],
                OperandKind.Command => Commands.FirstWords,
                OperandKind.Shell => s_scripts.Keys.Order(StringComparer.Ordinal),
                OperandKind.Container => RunningContainers.ReadNames(),
                OperandKind.Network => ContainerNetworks.List().Select(n => n.Network.Name),
                _ => [],
            };
        }
        catch (Exception e) when (e is LinuxException or IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
