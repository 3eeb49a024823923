namespace Isolation.Launcher;

/// <summary>The command line: <c>run</c>, <c>doctor</c>. Exit codes are docker's: 125 for the launcher's own errors, 126 and 127 where the
/// command could not be executed or found, else the command's own, or 128 plus the number of the signal that ended it.</summary>
internal static class Program
{
    internal const int Failed = 125, NotExecutable = 126, NotFound = 127;

    private static async Task<int> Main(string[] arguments)
    {
        try
        {
            return arguments.FirstOrDefault() switch
            {
                "run" => await RunCommand.RunAsync(arguments[1..]),
                "stats" or "top" or "update" or "pause" or "unpause" => await ContainerCommands.RunAsync(arguments[0], arguments[1..]),
                "learn" => await LearnCommand.RunAsync(arguments[1..]),
                "seccomp" => await SeccompCommand.RunAsync(arguments[1..]),
                "network" => await NetworkCommand.RunAsync(arguments[1..]),
                "inspect" => Inspect(arguments[1..]),
                "doctor" when arguments.Length == 1 => await DoctorCommand.RunAsync(),
                "help" or "--help" or "-h" => Help(Console.Out, 0),
                null => Help(Console.Error, Failed),
                "doctor" => throw new UsageException("doctor takes no arguments."),
                { } unknown => throw new UsageException($"\"{unknown}\" is not a command; the commands are run, stats, top, update, pause, unpause, learn, seccomp, network, inspect and doctor."),
            };
        }
        catch (UsageException e)
        {
            await Console.Error.WriteLineAsync($"isolation: {e.Message}\nTry \"isolation help\".");
            return Failed;
        }
    }

    private static int Inspect(string[] arguments)
    {
        if (arguments.Length != 1 || !int.TryParse(arguments[0], System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out int id) || id == 0)
            throw new UsageException("inspect takes the id of a process.");
        try
        {
            Console.Write(Security.ProcessSecurity.Read(id));
            return 0;
        }
        catch (IOException e)
        {
            throw new UsageException(e.Message);
        }
    }

    private static int Help(TextWriter writer, int code)
    {
        writer.Write($"""
            isolation run [FLAGS] [--] COMMAND [ARGUMENTS]   runs a command in a container
            isolation stats [--no-stream] [NAME...]          shows what containers use, again and again
            isolation top NAME                               lists a container's processes
            isolation update [LIMITS] NAME...                changes the limits of running containers
            isolation pause NAME, isolation unpause NAME     stops a container, and lets it run on
            isolation learn [-o FILE] [--format json|cs|text] [--runs N] [-q] [FLAGS] [--] COMMAND [ARGUMENTS]
                                                             runs a command and writes the smallest seccomp profile that lets it run again
            isolation seccomp compile PROFILE [--arch A]... [--cap C]... [-o FILE]
                                                             compiles a profile (a file, or default) and lists the program, or writes it raw;
                                                             for this machine's architecture and docker's capabilities unless others are given
            isolation seccomp explain PROFILE [--arch A] [--cap C]... SYSCALL [ARGUMENTS]
                                                             says what a profile does with a call, and why
            isolation seccomp disasm FILE                    lists a raw program
            isolation network create [--subnet NET] [--subnet-v6 NET] [--mtu N] [--internal] [--no-ipv6] NAME
            isolation network ls, isolation network inspect NAME..., isolation network rm NAME...
                                                             makes, lists, shows and removes bridge networks
            isolation inspect PID                            shows a process's capabilities, filters and labels
            isolation doctor                                 says what works on this host, what does not, and what to do

            flags of run:
            {RunFlags.Help()}
            """);
        return code;
    }
}

/// <summary>The command line is wrong.</summary>
internal sealed class UsageException(string message) : Exception(message);
