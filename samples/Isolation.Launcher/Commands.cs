using System.Collections.Immutable;

namespace Isolation.Launcher;

/// <summary>The table of this program: every command with its flags. It parses, validates and completes words, and writes help and
/// documentation.</summary>
internal static class Commands
{
    private const int Many = int.MaxValue;

    internal static readonly ImmutableArray<Command> All =
    [
        new("run", "runs a command in a container", RunFlags.All, RunCommand.RunAsync)
        {
            Operands = "COMMAND [ARGUMENTS]", Kind = OperandKind.Program, Most = Many,
        },
        new("stats", "shows what containers use, again and again", ContainerCommands.StatsFlags, ContainerCommands.StatsAsync)
        {
            Operands = "[NAME...]", Kind = OperandKind.Container, Most = Many, Takes = "takes names of containers",
        },
        new("top", "lists a container's processes", [], ContainerCommands.TopAsync)
        {
            Operands = "NAME", Kind = OperandKind.Container, Least = 1, Most = 1, Takes = "takes the name of one container",
        },
        new("update", "changes the limits of running containers", [.. ResourceOptions.Flags], ContainerCommands.UpdateAsync)
        {
            Operands = "NAME...", Kind = OperandKind.Container, Least = 1, Most = Many, Takes = "needs a limit and the name of a container",
        },
        new("pause", "stops a container's processes", [], ContainerCommands.PauseAsync)
        {
            Operands = "NAME", Kind = OperandKind.Container, Least = 1, Most = 1, Takes = "takes the name of one container",
        },
        new("unpause", "lets a container's processes run on", [], ContainerCommands.UnpauseAsync)
        {
            Operands = "NAME", Kind = OperandKind.Container, Least = 1, Most = 1, Takes = "takes the name of one container",
        },
        new("learn", "runs a command and writes the smallest seccomp profile that lets it run again", LearnCommand.Flags,
            LearnCommand.RunAsync)
        {
            Operands = "COMMAND [ARGUMENTS]", Kind = OperandKind.Program, Most = Many,
        },
        new("seccomp compile", "compiles a profile (a file, or default) and lists the program, or writes it raw",
            SeccompCommand.CompileFlags, SeccompCommand.CompileAsync)
        {
            Operands = "PROFILE", Kind = OperandKind.File, Least = 1, Most = 1, Takes = "takes one profile", TakesNumbers = true,
        },
        new("seccomp explain", "says what a profile does with a call, and why", SeccompCommand.ProfileFlags, SeccompCommand.ExplainAsync)
        {
            Operands = "PROFILE SYSCALL [ARGUMENTS]", Kind = OperandKind.File, Least = 2, Most = 8, TakesNumbers = true,
            Takes = "takes a profile, a system call and up to six arguments",
        },
        new("seccomp disasm", "lists a raw program", [], SeccompCommand.DisassembleAsync)
        {
            Operands = "FILE", Kind = OperandKind.File, Least = 1, Most = 1, Takes = "takes one file with a raw program",
                TakesNumbers = true,
        },
        new("network create", "makes a bridge network", NetworkCommand.CreateFlags, NetworkCommand.CreateAsync)
        {
            Operands = "NAME", Least = 1, Most = 1, Takes = "takes one name",
        },
        new("network ls", "lists the bridge networks", [], NetworkCommand.ListAsync),
        new("network inspect", "shows networks and who is on them", [], NetworkCommand.InspectAsync)
        {
            Operands = "NAME...", Kind = OperandKind.Network, Least = 1, Most = Many, Takes = "takes names of networks",
        },
        new("network rm", "removes networks", [], NetworkCommand.RemoveAsync)
        {
            Operands = "NAME...", Kind = OperandKind.Network, Least = 1, Most = Many, Takes = "takes names of networks",
        },
        new("inspect", "shows a process's capabilities, filters and labels", [], InspectCommand.RunAsync)
        {
            Operands = "PID", Least = 1, Most = 1, Takes = "takes the id of a process",
        },
        new("doctor", "says what works on this host, what does not, and what to do", [], DoctorCommand.RunAsync),
        new("completion", "prints a script that completes words of this program in a shell", [], CompletionCommand.PrintScriptAsync)
        {
            Operands = "bash|zsh|fish", Kind = OperandKind.Shell, Least = 1, Most = 1, Takes = "takes one of bash, zsh and fish",
        },
        new("complete", "completes a line for the scripts of completion", [], CompletionCommand.CompleteAsync)
        {
            Operands = "SHELL LINE", Least = 2, Most = 2, Takes = "takes a shell and a line", Hidden = true,
        },
        new("version", "shows the version of this program", [], VersionCommand.PrintAsync),
        new("help", "shows this, or the flags of a command", [], CommandHelp.PrintAsync)
        {
            Operands = "[COMMAND]", Kind = OperandKind.Command, Most = Many,
        },
    ];

    /// <summary>The first words of all commands.</summary>
    internal static string[] FirstWords => [.. All.Where(c => !c.Hidden).Select(c => c.Words.Split(' ')[0]).Distinct()];

    /// <summary>Finds the command that these words begin with.</summary>
    /// <exception cref="UsageException">There is none.</exception>
    internal static Command Find(IReadOnlyList<string> words)
    {
        if (words.Count == 0)
            throw new UsageException($"a command is needed; the commands are {List(FirstWords)}.");
        Command[] candidates = [.. All.Where(c => c.Words.Split(' ')[0] == words[0])];
        return candidates switch
        {
            [] => throw new UsageException($"\"{words[0]}\" is not a command; the commands are {List(FirstWords)}."),
            [{ } only] when only.Words == words[0] => only,
            _ when words.Count == 1 => throw new UsageException($"{words[0]} needs one of {List(SecondWords(candidates))}."),
            _ => candidates.FirstOrDefault(c => c.Words == $"{words[0]} {words[1]}")
                ?? throw new UsageException($"\"{words[1]}\" is no command of {words[0]}; they are {List(SecondWords(candidates))}."),
        };
    }

    internal static string[] SecondWords(IEnumerable<Command> commands) => [.. commands.Select(c => c.Words.Split(' ')[1])];

    private static string List(string[] words) => $"{string.Join(", ", words[..^1])} and {words[^1]}";
}
