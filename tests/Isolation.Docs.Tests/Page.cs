using System.Text.RegularExpressions;

namespace Isolation.Docs.Tests;

/// <summary>A page of the documentation: README.md and its kin, and what is below docs.</summary>
internal sealed partial class Page
{
    private Page(string path)
    {
        Path = path;
        Name = System.IO.Path.GetRelativePath(Tree, path);
        Text = File.ReadAllText(path);
    }

    internal static string Tree
    {
        get
        {
            Assert.SkipWhen(Host.SourceTree is null, "needs the source tree");
            return Host.SourceTree!;
        }
    }

    internal string Path { get; }

    /// <summary>Relative to the source tree.</summary>
    internal string Name { get; }

    internal string Text { get; }

    internal static IEnumerable<Page> All => Directory.EnumerateFiles(Tree, "*.md")
        .Concat(Directory.EnumerateFiles(System.IO.Path.Combine(Tree, "docs"), "*.md", SearchOption.AllDirectories)
            .Where(f => !f.Contains("/_site/", StringComparison.Ordinal) && !f.Contains("/obj/", StringComparison.Ordinal)))
        .Order(StringComparer.Ordinal).Select(f => new Page(f));

    internal static Page Of(string name) => new(System.IO.Path.Combine(Tree, name));

    /// <summary>Its blocks of C#, in their order.</summary>
    internal IReadOnlyList<Snippet> Snippets => [.. Block().Matches(Text).Select(m => new Snippet(
        $"{Name}:{Text[..m.Index].Count(c => c == '\n') + 1}", m.Groups["code"].Value, !m.Groups["option"].Value.Contains("no_run"),
        m.Groups["output"].Success ? m.Groups["output"].Value : null))];

    /// <summary>Its text without the blocks of code, and without what stands between backquotes.</summary>
    internal string Prose => Inline().Replace(Fence().Replace(Text, ""), "``");

    // The block of text, if the next one is such, is what the program writes.
    [GeneratedRegex(@"^```csharp(?<option>[^\n]*)\n(?<code>.*?)^```$(?:(?:(?!^```).)*?^```text\n(?<output>.*?)^```$)?",
        RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Block();

    [GeneratedRegex("^```.*?^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Fence();

    [GeneratedRegex("`[^`\n]*`")]
    private static partial Regex Inline();
}

/// <summary>A block of C# in a page.</summary>
/// <param name="Place">The page and the line.</param>
/// <param name="Code">The code.</param>
/// <param name="Runs">Whether it can be run as it is.</param>
/// <param name="Output">What it writes, where the page says so.</param>
internal sealed record Snippet(string Place, string Code, bool Runs, string? Output);
