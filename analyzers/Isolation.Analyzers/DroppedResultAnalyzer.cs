using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Diagnostics;
using Microsoft.CodeAnalysis.Operations;

namespace Isolation.Analyzers;

/// <summary>Warns where the result of a call of an immutable value is dropped: <c>builder.WithReadOnlyRoot();</c> alone changes
/// nothing.</summary>
[DiagnosticAnalyzer(LanguageNames.CSharp)]
public sealed class DroppedResultAnalyzer : DiagnosticAnalyzer
{
    private static readonly ImmutableHashSet<string> s_values = ImmutableHashSet.Create(
        "Isolation.Containers.ContainerBuilder", "Isolation.Containers.EgressPolicy", "Isolation.Cgroups.CgroupSettings",
        "Isolation.Security.CapabilitySet", "Isolation.Security.LandlockRuleset", "Isolation.Security.SeccompFilter");

    private static readonly DiagnosticDescriptor s_rule = new("ISO0001", "The result of the call is dropped",
        "{0} is immutable: {1} returns another one, and this one stays as it is. Use what it returns.", "Usage",
        DiagnosticSeverity.Warning, isEnabledByDefault: true,
        helpLinkUri: "https://github.com/isolation-dotnet/isolation/blob/main/docs/analyzers.md#iso0001");

    /// <inheritdoc/>
    public override ImmutableArray<DiagnosticDescriptor> SupportedDiagnostics => ImmutableArray.Create(s_rule);

    /// <inheritdoc/>
    public override void Initialize(AnalysisContext context)
    {
        context.ConfigureGeneratedCodeAnalysis(GeneratedCodeAnalysisFlags.None);
        context.EnableConcurrentExecution();
        context.RegisterOperationAction(Check, OperationKind.ExpressionStatement);
    }

    private static void Check(OperationAnalysisContext context)
    {
        IOperation expression = ((IExpressionStatementOperation)context.Operation).Operation;
        if (expression is IConditionalAccessOperation conditional)
            expression = conditional.WhenNotNull;
        // A method of the value, or an extension of it, that returns one.
        if (expression is IInvocationOperation { Type: INamedTypeSymbol type, TargetMethod: { } method }
            && s_values.Contains(type.ToDisplayString()))
            context.ReportDiagnostic(Diagnostic.Create(s_rule, expression.Syntax.GetLocation(), type.Name, method.Name));
    }
}
