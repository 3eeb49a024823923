using System.Globalization;

namespace Isolation.Benchmarks;

/// <summary>How a benchmark is used: said for <c>--help</c>, for words that are none of its own,
/// and where what it needs is missing.</summary>
internal static class Usage
{
    /// <summary>Whether the program is to end: it was asked for help (status 0), was not understood, or misses something (2).</summary>
    /// <param name="args">The words after the program's name.</param>
    /// <param name="text">How it is used.</param>
    /// <param name="isOwn">Whether a word that is no positive number is one of its own.</param>
    /// <param name="numbers">How many numbers it takes.</param>
    /// <param name="needsRoot">Whether it needs root.</param>
    /// <param name="tools">The programs that it needs.</param>
    internal static bool Ends(string[] args, string text, Func<string, bool> isOwn, int numbers, bool needsRoot, params string[] tools)
    {
        if (args.Contains("--help") || args.Contains("-h"))
        {
            Console.WriteLine(text);
            return true;
        }

        string? wrong = args.FirstOrDefault(a => !IsNumber(a) && !isOwn(a)) is { } unknown ? $"\"{unknown}\" is not understood."
            : args.Count(IsNumber) > numbers ? "There are too many numbers."
            : needsRoot && !Environment.IsPrivilegedProcess ? "It needs root."
            : tools.FirstOrDefault(t => !IsInstalled(t)) is { } missing ? $"It needs {missing}, which is not installed."
            : null;
        if (wrong is null)
            return false;
        Console.Error.WriteLine($"{wrong}\n{text}");
        Environment.ExitCode = 2;
        return true;
    }

    /// <summary>The number at a place among the numbers; else another.</summary>
    internal static int Number(string[] args, int at, int otherwise) =>
        args.Where(IsNumber).ElementAtOrDefault(at) is { } number ? int.Parse(number, CultureInfo.InvariantCulture) : otherwise;

    private static bool IsNumber(string word) =>
        int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number > 0;

    private static bool IsInstalled(string tool) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')
        .Concat(["/usr/sbin", "/sbin"]).Any(d => File.Exists(Path.Combine(d, tool)));
}
