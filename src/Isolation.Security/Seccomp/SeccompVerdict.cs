using System.Runtime.InteropServices;

namespace Isolation.Security;

/// <summary>The decision of a filter on a call, with the reason.</summary>
/// <param name="Call">The call.</param>
/// <param name="Action">What is done.</param>
/// <param name="Rule">The rule that decides; null where none matches.</param>
/// <param name="Reason">Why, as a sentence.</param>
public sealed record SeccompVerdict(SeccompCall Call, SeccompAction Action, SeccompRule? Rule, string Reason)
{
    internal static SeccompVerdict Decide(SeccompFilter filter, SeccompCall call)
    {
        if (call.Architecture is not { } architecture || !filter.Architectures.Contains(architecture))
            return new(call, filter.ForeignArchitectures, null,
                $"The filter is for {string.Join(", ", filter.Architectures)}, and refuses the calls of others.");
        foreach (SeccompRule exemption in filter.Exemptions)
        {
            if (exemption.Number(architecture) == call.Number && exemption.Matches(ImmutableCollectionsMarshal.AsArray(call.Arguments)))
                return new(call, exemption.Action, exemption, "The call is exempt by its secret.");
        }

        SeccompRule? best = null;
        int others = 0;
        foreach (SeccompRule rule in filter.RulesOf(architecture, call.Number))
        {
            if (!rule.Matches(ImmutableCollectionsMarshal.AsArray(call.Arguments)))
                others++;
            else if (best is null || rule.Action.CompareTo(best.Action) < 0)
                best = rule;
        }

        if (best is not null)
            return new(call, best.Action, best, $"The rule \"{best}\" matches{(others > 0 ? ", other rules of the call do not" : "")}.");
        if (filter.NewerSyscalls is { } newer && filter.IsNewer(architecture, call.Number))
            return new(call, newer, null, filter.NewestSyscalls is not null
                ? $"The call is newer than {SyscallTable.For(architecture).Text(filter.Newest(architecture)!.Value)}, the newest that the "
                    + "profile names."
                : $"The call is newer than Linux {SyscallTable.Version}, the version of the table of calls.");
        return new(call, filter.DefaultAction, null,
            others > 0 ? $"None of the call's {others} rules matches the arguments." : "No rule names the call: the default action holds.");
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Call}: {Action}. {Reason}";
}
