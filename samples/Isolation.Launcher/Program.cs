using Isolation.Linux;

namespace Isolation.Launcher;

/// <summary>The command line: Exit codes are docker's: 125 for the launcher's own errors, 126 and 127 where the
/// command could not be executed or found, else the command's own, or 128 plus the number of the signal that ended it.</summary>
internal static class Program
{
    internal const int Failed = 125, NotExecutable = 126, NotFound = 127, ReaderGone = 128 + 13;

    private static Task<int> Main(string[] arguments) => RunAsync(arguments);

    /// <summary>Carries out a command line. What goes wrong is one line on standard error.</summary>
    internal static async Task<int> RunAsync(string[] arguments)
    {
        Command? command = null;
        try
        {
            if (arguments.FirstOrDefault() is "--help" or "-h")
                arguments[0] = "help";
            else if (arguments.FirstOrDefault() is "--version" or "-v")
                arguments[0] = "version";
            else if (arguments is [_, "--help" or "-h"] && !Commands.All.Any(c => c.Words == arguments[0]))
                arguments = ["help", arguments[0]];
            command = Commands.Find(arguments);
            if (command.Words is not ("help" or "version") && !Path.Exists("/proc/self/mountinfo"))
                throw new UsageException(
                    "there is no /proc, which the kernel tells about processes and mounts by: mount -t proc proc /proc.");
            return await command.RunWordsAsync(arguments[command.Words.Split(' ').Length..]);
        }
        // Nobody reads the output any more: the program ends as SIGPIPE, which the runtime ignores, would have ended it.
        catch (LinuxException e) when (e is { Errno: Errno.EPIPE, Call: "write(2)" })
        {
            return ReaderGone;
        }
        catch (UsageException e)
        {
            Failure.Tell($"{e.Message} Try \"isolation {(command is null ? "help" : command.Words + " --help")}\".");
            return Failed;
        }
        catch (Exception e) when (Failure.IsExpected(e))
        {
            Failure.Tell(Failure.Reason(e));
            return Failed;
        }
        catch (Exception e)
        {
            Failure.Tell($"a fault of this program, which should be reported: {e.GetType().Name} "
                + $"{e.StackTrace?.Split('\n')[0].Trim()}: {e.Message}");
            return Failed;
        }
    }
}
