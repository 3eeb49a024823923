using System.Globalization;
using System.Reflection;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Isolation.Docs.Tests;

/// <summary>Every block of C# in the documentation compiles; those that can be run are run, and write what their page says.</summary>
/// <remarks>A block with using directives is a whole program, compiled with what the SDK adds to one alone. Another is a fragment:
/// it sees all namespaces of the library, and the variables below. A block that is marked <c>no_run</c> is compiled only.</remarks>
public partial class SnippetTests
{
    private const string ImplicitUsings = """
        global using System; global using System.Collections.Generic; global using System.IO; global using System.Linq;
        global using System.Net.Http; global using System.Threading; global using System.Threading.Tasks;
        """;

    /// <summary>What a fragment may name without having declared it.</summary>
    private const string Variables = """
        ContainerBuilder builder = new ContainerBuilder(Rootfs.Host).WithCommand("cat");
        CancellationToken cancellationToken = default;
        int processId = System.Environment.ProcessId;
        LinuxHandle inside = null!;
        Container container = null!;
        Cgroup cgroup = null!;
        SeccompFilter filter = SeccompFilter.Default;
        RouteSocket route = null!;
        Link link = null!;
        SeccompListener listener = null!;
        WireguardKey peer = null!;
        byte[] payload = [];
        NftSocket nft = null!;
        var batch = new NftBatch();
        var table = new NftTable(NftFamily.Inet, "filter");
        var input = new NftChain(table, "input");
        """;

    private static readonly Assembly[] s_family =
    [
        .. new[] { "Linux", "Namespaces", "Cgroups", "Security", "Net", "Containers", "Extensions.Hosting" }
            .Select(n => Assembly.Load("Isolation." + n)),
    ];

    /// <summary>The assemblies of others that a program of the library has beside its own.</summary>
    private static readonly string[] s_dependencies =
        [.. new[] { "Microsoft.Extensions.Logging.Abstractions", "Microsoft.Extensions.DependencyInjection.Abstractions",
            "Tmds.DBus.Protocol" }.Select(n => Path.Combine(AppContext.BaseDirectory, n + ".dll"))];

    private static readonly string s_usings = string.Concat(s_family.SelectMany(a => a.GetExportedTypes()).Select(t => t.Namespace)
        .Concat(["System.Net", "System.Net.NetworkInformation", "System.Net.Sockets", "System.Runtime.InteropServices",
            "System.Text.RegularExpressions"]).Distinct().Select(n => $"global using {n};\n"));

    private static readonly CSharpParseOptions s_options = new(LanguageVersion.Latest);

    private static readonly MetadataReference[] s_references =
    [
        .. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(':').Select(f => MetadataReference.CreateFromFile(f)),
    ];

    public static TheoryData<string> Pages => [.. Page.All.Where(p => p.Snippets.Count > 0).Select(p => p.Name)];

    [Theory]
    [MemberData(nameof(Pages))]
    public void Snippets_compile_and_write_what_the_page_says(string page)
    {
        foreach (Snippet snippet in Page.Of(page).Snippets)
        {
            using var directory = new TemporaryDirectory();
            string program = Path.Combine(directory.Path, "snippet.dll");
            Compile(snippet, program);
            if (!snippet.Runs)
                continue;
            foreach (string assembly in s_family.Select(a => a.Location).Concat(s_dependencies))
                File.Copy(assembly, Path.Combine(directory.Path, Path.GetFileName(assembly)));
            File.Copy(Path.Combine(AppContext.BaseDirectory, "Isolation.Docs.Tests.runtimeconfig.json"),
                Path.Combine(directory.Path, "snippet.runtimeconfig.json"));
            (int code, string output) = Host.Run(Host.Dotnet, program);
            Assert.True(code == 0, $"{snippet.Place}: {output}");
            if (snippet.Output is { } expected)
                Assert.Equal(expected, output);
        }
    }

    /// <summary>Examples are shown by editors and by the site.</summary>
    [Fact]
    public void Examples_of_the_documentation_compile()
    {
        var methods = new StringBuilder();
        int count = 0;
        foreach (Assembly assembly in s_family)
        {
            foreach (XElement member in XDocument.Load(Path.ChangeExtension(assembly.Location, ".xml")).Descendants("member"))
            {
                foreach (string code in member.Descendants("code").Select(c => c.Value))
                {
                    methods.Append(CultureInfo.InvariantCulture, $$"""
                        static async Task Example{{count++}}()
                        {
                        {{VariablesFor(code)}}
                        #line 1 "{{(string)member.Attribute("name")!}}"
                        {{code}}
                        #line default
                        await Task.Yield();
                        }

                        """);
                }
            }
        }

        Assert.True(count > 80, $"{count} examples");
        string[] errors = Errors(new Snippet("examples", $"internal static class Examples {{ {methods} static void Main() {{ }} }}",
            Runs: false, Output: null), "", s_usings, Stream.Null);
        Assert.True(errors.Length == 0, string.Join('\n', errors));
    }

    [Fact]
    public void A_snippet_that_is_broken_is_found()
    {
        using var directory = new TemporaryDirectory();
        var broken = new Snippet("here", "builder.WithNothing();", Runs: false, Output: null);
        Assert.Contains("here(1): error CS1061",
            Assert.ThrowsAny<Exception>(() => Compile(broken, Path.Combine(directory.Path, "snippet.dll"))).Message);
    }

    [Fact]
    public void The_pages_that_begin_have_programs_that_run()
    {
        foreach (string page in new[] { "README.md", "docs/getting-started.md", "docs/output.md" })
            Assert.Contains(Page.Of(page).Snippets, s => s.Runs);
        Assert.True(Page.Of("docs/getting-started.md").Snippets.Count(s => s.Output is not null) >= 3);
    }

    private static void Compile(Snippet snippet, string program)
    {
        using FileStream file = File.Create(program);
        string[] errors = UsingDirective().IsMatch(snippet.Code) ? Errors(snippet, "", "", file)
            : Errors(snippet, VariablesFor(snippet.Code), s_usings, file);
        Assert.True(errors.Length == 0, string.Join('\n', errors));
    }

    private static string[] Errors(Snippet snippet, string variables, string usings, Stream program)
    {
        SyntaxTree[] trees =
        [
            CSharpSyntaxTree.ParseText(ImplicitUsings + usings, s_options),
            CSharpSyntaxTree.ParseText($"{variables}\n#line 1 \"{snippet.Place}\"\n{snippet.Code}", s_options),
        ];
        var compilation = CSharpCompilation.Create("snippet", trees, s_references,
            new CSharpCompilationOptions(OutputKind.ConsoleApplication, nullableContextOptions: NullableContextOptions.Enable));
        return
        [
            .. compilation.Emit(program).Diagnostics.Where(d => d.Severity == DiagnosticSeverity.Error).Select(d =>
            {
                FileLinePositionSpan at = d.Location.GetMappedLineSpan();
                return $"{at.Path}({at.StartLinePosition.Line + 1}): error {d.Id}: {d.GetMessage()}";
            }),
        ];
    }

    private static string VariablesFor(string code) => string.Join('\n', Variables.Split('\n').Where(v => !Declares(code, v)));

    /// <summary>Whether a fragment declares a variable itself.</summary>
    private static bool Declares(string code, string variable)
    {
        string[] words = variable.Split('=')[0].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return words.Length > 0 && Regex.IsMatch(code, $@"(?<=[A-Za-z>\]?] ){words[^1]}( =|, [a-z]+ =| in )");
    }

    [GeneratedRegex(@"^\s*using [A-Z][A-Za-z.]*;", RegexOptions.Multiline)]
    private static partial Regex UsingDirective();
}
