using System.Collections.Immutable;
using System.Globalization;
using Isolation.Containers;
using Isolation.Security;

namespace Isolation.Launcher;

/// <summary><c>isolation learn</c>: runs a command with every system call recorded, and writes the smallest
/// profile that lets it run again.</summary>
internal static class LearnCommand
{
    /// <summary>Its own flags, and those of run.</summary>
    internal static readonly ImmutableArray<Flag> Flags =
    [
        new Flag<LearnOptions>("-o --output", "FILE", "write the profile there (default: standard output)", (o, v) =>
            o with { Output = v }),
        new Flag<LearnOptions>("--format", "json|cs|text", "docker's profile, C#, or a list with reasons (default: json)", (o, v) =>
            o with { Format = ParseFormat(v) }),
        new Flag<LearnOptions>("--runs", "N", "run it so many times, 1 to 1000, and merge (default: 1)", (o, v) =>
            o with { Runs = ParseRuns(v) }),
        Flag<LearnOptions>.Switch("-q --quiet", "leave out the list of calls on standard error", (o, on) => o with { Quiet = on }),
        // Of docker's -q, which is refused, there is another meaning here.
        .. RunFlags.All.Where(f => !f.AllNames.Contains("-q")),
    ];

    internal static async Task<int> RunAsync(CommandLine line)
    {
        LearnOptions learn = line.Apply(new LearnOptions());
        RunOptions options = RunOptions.From(line);
        options.MakePlan(); // tells what is wrong with a flag by its name
        ContainerBuilder builder = options.ToBuilder(HostFacts.Current);
        LearnedProfile profile = new();
        ContainerResult? result = null;
        for (int i = 0; i < learn.Runs; i++)
        {
            (result, LearnedProfile once) = await builder.LearnAsync();
            profile = profile.Merge(once);
        }

        string text = learn.Format switch { "cs" => profile.ToCSharp(), "text" => profile.ToString(), _ => profile.ToJson() };
        if (learn.Output is null)
            await StandardStreams.Output.WriteLineAsync(text);
        else
            await File.WriteAllTextAsync(learn.Output, text + "\n");
        if (!learn.Quiet && learn.Format != "text")
            Failure.Write(profile.ToString());
        return result!.Status.ShellCode;
    }

    private static string ParseFormat(string text) => text is "json" or "cs" or "text" ? text
        : throw new FormatException($"\"{text}\" is none of json, cs and text.");

    private static int ParseRuns(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int count)
        && count is >= 1 and <= 1000
        ? count : throw new FormatException($"\"{text}\" is not a number from 1 to 1000.");

    private sealed record LearnOptions
    {
        internal string? Output { get; init; }

        internal string Format { get; init; } = "json";

        internal int Runs { get; init; } = 1;

        internal bool Quiet { get; init; }
    }
}
