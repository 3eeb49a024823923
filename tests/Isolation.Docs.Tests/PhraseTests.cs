using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Isolation.Docs.Tests;

/// <summary>Phrases that a technical writer would not use are in no page, and in no documentation of a public member.</summary>
public partial class PhraseTests
{
    private static readonly string[] s_assemblies =
    [
        .. Directory.EnumerateFiles(AppContext.BaseDirectory, "Isolation.*.dll").Where(f => File.Exists(Path.ChangeExtension(f, ".xml"))),
    ];

    [Fact]
    public void Pages_use_the_terms_of_the_field()
    {
        string[] found = [.. Page.All.Where(p => p.Name != "docs/errors.md").SelectMany(p => Found(p.Name, p.Prose))];
        Assert.True(found.Length == 0, string.Join('\n', found));
    }

    [Fact]
    public void Documentation_of_public_members_uses_the_terms_of_the_field()
    {
        string[] found = [.. PublicMembers().SelectMany(m => Found((string)m.Attribute("name")!, m.Value))];
        Assert.True(found.Length == 0, string.Join('\n', found));
    }

    /// <summary>A list of members shows the summary alone.</summary>
    [Fact]
    public void A_summary_is_a_line_or_two()
    {
        string[] @long =
        [
            .. PublicMembers().Where(m => m.Attribute("name")!.Value.StartsWith("T:", StringComparison.Ordinal))
                .Select(m => (Name: m.Attribute("name")!.Value, Text: Spaces().Replace(m.Element("summary")?.Value ?? "", " ").Trim()))
                .Where(m => m.Text.Length > 320).Select(m => $"{m.Name}: {m.Text.Length} characters"),
        ];
        Assert.True(@long.Length == 0, string.Join('\n', @long));
    }

    [Theory]
    [InlineData("The answer is told to the caller.", true)]
    [InlineData("Limits that made\nthemselves felt.", true)]
    [InlineData("A tunnel carries IP packets.", false)]
    [InlineData("It carries the error.", true)]
    [InlineData("An error has the call.", false)]
    public void Phrases_are_found_across_lines(string text, bool found) => Assert.Equal(found, Found("here", text).Any());

    private static IEnumerable<string> Found(string where, string text) =>
        Phrases().Matches(text).Select(m => $"{where}: \"{Spaces().Replace(m.Value, " ")}\" in \"...{Around(text, m)}...\"");

    private static string Around(string text, Match match)
    {
        int start = Math.Max(0, match.Index - 40);
        return Spaces().Replace(text[start..Math.Min(text.Length, match.Index + match.Length + 30)], " ");
    }

    private static IEnumerable<XElement> PublicMembers()
    {
        Assert.NotEmpty(s_assemblies);
        foreach (string file in s_assemblies)
        {
            HashSet<string> names = [.. Assembly.LoadFrom(file).GetExportedTypes().SelectMany(Names)];
            foreach (XElement member in XDocument.Load(Path.ChangeExtension(file, ".xml")).Descendants("member"))
            {
                string name = member.Attribute("name")!.Value[2..];
                int end = name.AsSpan().IndexOfAny("(~");
                if (names.Contains(Arity().Replace(end < 0 ? name : name[..end], "")))
                    yield return member;
            }
        }
    }

    private static IEnumerable<string> Names(Type type)
    {
        string name = Arity().Replace(type.FullName!.Replace('+', '.'), "");
        const BindingFlags All = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static
            | BindingFlags.DeclaredOnly;
        return type.GetMembers(All).Where(IsPublic).Select(m => $"{name}.{m.Name.Replace('.', '#')}").Append(name);
    }

    private static bool IsPublic(MemberInfo member) => member switch
    {
        MethodBase m => m.IsPublic || m.IsFamily,
        PropertyInfo p => (p.GetMethod ?? p.SetMethod)!.IsPublic,
        FieldInfo f => f.IsPublic,
        EventInfo e => e.AddMethod!.IsPublic,
        _ => false,
    };

    [GeneratedRegex(@"\b(?:(?:is|are|was|were|be)\s+told|made\s+themselves\s+felt|how-manieth|carr(?:ied|ies)(?!\s+(?:IP|Ethernet)\b)"
        + @"|(?:locks|files|handles|sockets)\s+of\s+networks|what\s+is\s+asked\s+for|refused\s+by\s+(?:its\s+)?name|for\s+want\s+of"
        + @"|whom|be\s+it)\b", RegexOptions.IgnoreCase)]
    private static partial Regex Phrases();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();

    [GeneratedRegex("`+[0-9]+")]
    private static partial Regex Arity();
}
