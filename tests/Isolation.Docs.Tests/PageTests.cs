using System.Text.RegularExpressions;
using Isolation.Cgroups;
using Isolation.Containers;

namespace Isolation.Docs.Tests;

/// <summary>What the pages name is there.</summary>
public partial class PageTests
{
    [Fact]
    public void Links_lead_to_files()
    {
        string[] broken =
        [
            .. Page.All.SelectMany(p => Link().Matches(p.Text).Select(m => (Page: p, Target: m.Groups["target"].Value)))
                .Where(l => !l.Target.Contains("://", StringComparison.Ordinal) && !l.Target.StartsWith('#'))
                .Where(l => !Path.Exists(Path.Combine(Path.GetDirectoryName(l.Page.Path)!, l.Target.Split('#')[0])))
                .Select(l => $"{l.Page.Name}: {l.Target}"),
        ];
        Assert.Empty(broken);
    }

    /// <summary>A recipe without a page is not found, and one that no test runs may not work.</summary>
    [Fact]
    public void Every_recipe_has_a_page_that_shows_it_and_a_test_that_runs_it()
    {
        string tests = File.ReadAllText(Path.Combine(Page.Tree, "tests/Isolation.Kernel.Tests/CookbookTests.cs"));
        Page[] pages = [.. Page.All.Where(p => p.Name.StartsWith("docs/cookbook/", StringComparison.Ordinal))];
        string index = Page.Of("docs/cookbook/index.md").Text;
        string contents = File.ReadAllText(Path.Combine(Page.Tree, "docs/cookbook/toc.yml"));
        string[] recipes = [.. Directory.EnumerateFiles(Path.Combine(Page.Tree, "samples/Isolation.Cookbook"), "*.cs")
            .Select(f => Path.GetFileNameWithoutExtension(f)).Where(n => n != "Program")];
        Assert.True(recipes.Length >= 12);
        foreach (string recipe in recipes)
        {
            Page page = Assert.Single(pages,
                p => p.Text.Contains($"[!code-csharp[{recipe}.cs](../../samples/Isolation.Cookbook/{recipe}.cs)]"));
            string file = Path.GetFileName(page.Name);
            Assert.Contains($"({file})", index);
            Assert.Contains($"href: {file}\n", contents);
            Assert.Contains($"\"{recipe}\"", tests);
        }
    }

    [Fact]
    public void Flags_and_methods_that_the_table_for_docker_users_names_exist()
    {
        HashSet<string> flags = [.. RunFlags(Page.Of("docs/launcher.md").Text)];
        HashSet<string> methods =
        [
            .. typeof(ContainerBuilder).GetMethods().Select(m => m.Name),
            .. typeof(MemoryControls).Assembly.GetExportedTypes().SelectMany(t => t.GetMethods())
                .Where(m => m is { IsStatic: true, IsGenericMethodDefinition: true }).Select(m => m.Name),
        ];
        var named = new HashSet<string>();
        foreach (string[] cells in Page.Of("docs/docker-flags.md").Text.Split('\n').Where(l => l.StartsWith("| ", StringComparison.Ordinal))
            .Select(l => l.Trim('|', ' ').Split(" | ")))
        {
            Assert.True(cells.Length == 3, string.Join(" | ", cells));
            foreach (string flag in Flag().Matches(cells[1]).Select(m => m.Value))
            {
                Assert.Contains(flag, flags);
                named.Add(flag);
            }

            foreach (string method in Method().Matches(cells[2]).Select(m => m.Value))
                Assert.True(methods.Contains(method), $"ContainerBuilder has no method {method}.");
        }

        Assert.Empty(flags.Except(named));
    }

    private static IEnumerable<string> RunFlags(string launcher)
    {
        string run = launcher[launcher.IndexOf("\n## run\n", StringComparison.Ordinal)..];
        run = run[..run.IndexOf("\n## stats\n", StringComparison.Ordinal)];
        return run.Split('\n').Where(l => l.StartsWith("| `-", StringComparison.Ordinal))
            .SelectMany(l => Flag().Matches(l.Split(" | ")[0]).Select(m => m.Value));
    }

    [GeneratedRegex(@"(?<!\!)\[[^\]\n]*\]\((?<target>[^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex("(?<=`)--?[a-z0-9-]+")]
    private static partial Regex Flag();

    [GeneratedRegex("(?<=`)(With|Add|As|Plan)[A-Za-z]*(?=[(`])")]
    private static partial Regex Method();
}
