using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Diagnostics;
using Xunit;

namespace Isolation.Analyzers.Tests;

/// <summary>A call of an immutable value whose result nobody uses does nothing; the compiler says so.</summary>
public class DroppedResultTests
{
    [Theory]
    [InlineData("builder.WithReadOnlyRoot();", "WithReadOnlyRoot")]
    [InlineData("builder?.WithReadOnlyRoot();", "WithReadOnlyRoot")]
    [InlineData("builder.WithReadOnlyRoot().AddEnvironment(\"A\", \"1\");", "AddEnvironment")]
    [InlineData("builder.WithMemoryMax(ByteSize.FromMebibytes(1));", "WithMemoryMax")]
    [InlineData("settings.WithPidsMax(1);", "WithPidsMax")]
    [InlineData("SeccompFilter.Default.Without(\"mount\");", "Without")]
    [InlineData("LandlockRuleset.Everything.Allow(LandlockFileAccess.Read, \"/usr\");", "Allow")]
    [InlineData("EgressPolicy.DenyAll.Allow(\"10.0.0.0/8\");", "Allow")]
    public async Task A_dropped_result_is_told(string statement, string method)
    {
        Diagnostic told = Assert.Single(await AnalyseAsync(statement));
        Assert.Equal("ISO0001", told.Id);
        Assert.Contains($"is immutable: {method} returns another one",
            told.GetMessage(System.Globalization.CultureInfo.InvariantCulture));
    }

    [Theory]
    [InlineData("builder = builder.WithReadOnlyRoot();")]
    [InlineData("_ = builder.WithReadOnlyRoot();")]
    [InlineData("var other = builder.WithReadOnlyRoot(); other.Build();")]
    [InlineData("builder.Build();")]
    [InlineData("cgroup.WithPidsMax(1);")] // a live control group is changed, and returned for the next call
    [InlineData("Use(builder.WithReadOnlyRoot());")]
    public async Task What_is_used_or_changes_something_is_not(string statement) => Assert.Empty(await AnalyseAsync(statement));

    private static async Task<ImmutableArray<Diagnostic>> AnalyseAsync(string statement)
    {
        string source = $$"""
            using Isolation.Cgroups; using Isolation.Containers; using Isolation.Linux; using Isolation.Security;
            static class Program
            {
                static void Use(ContainerBuilder builder) { }
                static void Run(ContainerBuilder builder, CgroupSettings settings, CgroupV2 cgroup)
                {
                    {{statement}}
                }
            }
            """;
        string[] trusted = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(':');
        CSharpCompilation compilation = CSharpCompilation.Create("Sample", [CSharpSyntaxTree.ParseText(source)],
            [.. trusted.Select(t => MetadataReference.CreateFromFile(t))],
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary));
        Assert.Empty(compilation.GetDiagnostics().Where(d => d.Severity == DiagnosticSeverity.Error));
        return await compilation.WithAnalyzers([new DroppedResultAnalyzer()]).GetAnalyzerDiagnosticsAsync();
    }
}
