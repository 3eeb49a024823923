namespace Isolation.Security;

/// <summary>What is allowed below a path.</summary>
/// <param name="Path">A file, or a directory with everything below it. Links are followed once, when the ruleset is made.</param>
/// <param name="Access">What is allowed. Rights that only directories have are left out for a file.</param>
/// <param name="Optional">Whether a path that does not exist is left out; else it is an error.</param>
/// <param name="Quiet">Whether refusals there are not logged, as far as <see cref="LandlockRuleset.QuietRights"/> says. ABI 10.</param>
public sealed record LandlockPathRule(string Path, LandlockFileAccess Access, bool Optional = false, bool Quiet = false)
{
    /// <summary>What a rule for a file can allow.</summary>
    internal const LandlockFileAccess OfFiles = LandlockFileAccess.Execute | LandlockFileAccess.WriteFile | LandlockFileAccess.ReadFile
        | LandlockFileAccess.Truncate
        | LandlockFileAccess.IoctlDev | LandlockFileAccess.ResolveUnix;

    /// <inheritdoc/>
    public override string ToString() =>
        $"\"{Path}\": {new LandlockRights(Access)}{(Optional ? ", if it exists" : "")}{(Quiet ? ", quiet" : "")}";
}
