using System.Globalization;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Security;

namespace Isolation.Launcher;

/// <summary><c>isolation learn</c>: runs a command with every system call recorded, and writes the smallest profile that lets it run again.</summary>
internal static class LearnCommand
{
    internal static async Task<int> RunAsync(string[] arguments)
    {
        (string? output, string format, int runs, bool quiet, string[] rest) = Split(arguments);
        RunOptions options = RunFlags.Parse(rest);
        try
        {
            ContainerBuilder builder = options.ToBuilder(HostFacts.Current);
            LearnedProfile profile = new();
            ContainerResult? result = null;
            for (int i = 0; i < runs; i++)
            {
                (result, LearnedProfile once) = await builder.LearnAsync();
                profile = profile.Merge(once);
            }

            string text = format switch { "cs" => profile.ToCSharp(), "text" => profile.ToString(), _ => profile.ToJson() };
            if (output is null)
                await Console.Out.WriteLineAsync(text);
            else
                await File.WriteAllTextAsync(output, text + "\n");
            if (!quiet && format != "text")
                await Console.Error.WriteAsync(profile.ToString());
            return result!.Status.ShellCode;
        }
        catch (Exception e) when (e is SpecException or KernelFeatureException or LinuxException or IOException or UnauthorizedAccessException)
        {
            await Console.Error.WriteLineAsync("isolation: " + RunFlags.Reason(e));
            return Program.Failed;
        }
    }

    /// <summary>Takes the command's own flags off the front; the others are those of run.</summary>
    private static (string? Output, string Format, int Runs, bool Quiet, string[] RunArguments) Split(string[] arguments)
    {
        string? output = null;
        string format = "json";
        int runs = 1, i = 0;
        bool quiet = false;
        for (; i < arguments.Length; i++)
        {
            (string name, string? inline) = RunFlags.SplitFlag(arguments[i]);
            string Value() => inline ?? (++i < arguments.Length ? arguments[i] : throw new UsageException($"The flag {name} needs a value."));
            if (name is "-o" or "--output")
                output = Value();
            else if (name == "--format")
                format = Value() is ("json" or "cs" or "text") and var known ? known : throw new UsageException("--format is json, cs or text.");
            else if (name == "--runs")
                runs = int.TryParse(Value(), NumberStyles.None, CultureInfo.InvariantCulture, out int count) && count is >= 1 and <= 1000 ? count : throw new UsageException("--runs is 1 to 1000.");
            else if (name is "-q" or "--quiet")
                quiet = true;
            else
                break;
        }

        return (output, format, runs, quiet, arguments[i..]);
    }
}
