using System.Collections.Immutable;
using Isolation.Linux;

namespace Isolation.Security;

/// <summary>A set of everything that Landlock can restrict: an immutable value.</summary>
/// <example><code>
/// // required: what Linux 5.13 has; best effort: the rest
/// LandlockRuleset ruleset = LandlockRuleset.Restrict(required: LandlockRights.OfAbi(1), bestEffort: LandlockRights.All);
/// </code></example>
/// <param name="Files">On files and directories.</param>
/// <param name="Net">On ports.</param>
/// <param name="Scopes">Towards processes outside.</param>
public readonly record struct LandlockRights(LandlockFileAccess Files, LandlockNetAccess Net = LandlockNetAccess.None,
    LandlockScopes Scopes = LandlockScopes.None)
{
    // What each ABI has added, and the kernel that it came with: the one table that everything else derives from.
    private static readonly ImmutableArray<(LandlockRights Added, KernelVersion Since)> s_abis =
    [
        (new((LandlockFileAccess)0x1fff), new(5, 13)),
        (new(LandlockFileAccess.Refer), new(5, 19)),
        (new(LandlockFileAccess.Truncate), new(6, 2)),
        (new(LandlockFileAccess.None, LandlockNetAccess.BindTcp | LandlockNetAccess.ConnectTcp), new(6, 7)),
        (new(LandlockFileAccess.IoctlDev), new(6, 10)),
        (new(LandlockFileAccess.None, LandlockNetAccess.None, LandlockScopes.AbstractUnixSocket | LandlockScopes.Signal), new(6, 12)),
        (None, new(6, 15)), // audit flags
        (None, new(7, 0)), // TSYNC
        (new(LandlockFileAccess.ResolveUnix), new(7, 1)),
        (new(LandlockFileAccess.None, LandlockNetAccess.BindUdp | LandlockNetAccess.ConnectSendUdp), new(7, 2)), // and quiet rules
        (None, new(7, 3)), // no_new_privs with the restriction
    ];

    /// <summary>The newest ABI that this library knows: 11, of Linux 7.3.</summary>
    public const int NewestAbi = 11;

    internal const int LoggingAbi = 7, AllThreadsAbi = 8, QuietAbi = 10;

    /// <summary>Nothing.</summary>
    public static LandlockRights None => default;

    /// <summary>Everything that <see cref="NewestAbi"/> has.</summary>
    public static LandlockRights All => OfAbi(NewestAbi);

    /// <summary>Whether there is nothing in it.</summary>
    public bool IsEmpty => this == None;

    /// <summary>Everything that an ABI version has; newer ones than <see cref="NewestAbi"/> count as that.</summary>
    /// <param name="abi">0 has nothing.</param>
    public static LandlockRights OfAbi(int abi)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(abi);
        LandlockRights rights = None;
        foreach ((LandlockRights added, _) in s_abis.AsSpan(0, Math.Min(abi, NewestAbi)))
            rights = rights.Union(added);
        return rights;
    }

    /// <summary>What is in either.</summary>
    public LandlockRights Union(LandlockRights other) => new(Files | other.Files, Net | other.Net, Scopes | other.Scopes);

    /// <summary>What is in both.</summary>
    public LandlockRights Intersect(LandlockRights other) => new(Files & other.Files, Net & other.Net, Scopes & other.Scopes);

    /// <summary>What is in this one and not in the other.</summary>
    public LandlockRights Except(LandlockRights other) => new(Files & ~other.Files, Net & ~other.Net, Scopes & ~other.Scopes);

    /// <summary>The first ABI that has all of it, and its kernel.</summary>
    internal (int Abi, KernelVersion Since) Needs()
    {
        for (int abi = 1; abi <= NewestAbi; abi++)
        {
            if (Except(OfAbi(abi)).IsEmpty)
                return (abi, s_abis[abi - 1].Since);
        }

        throw new ArgumentException($"{this} has rights that no known Landlock version has.");
    }

    internal static KernelVersion SinceOf(int abi) => s_abis[abi - 1].Since;

    /// <summary>The rights as the kernel spells them: <c>READ_FILE, CONNECT_TCP</c>.</summary>
    public override string ToString()
    {
        var names = new List<string>();
        Append(names, (ulong)Files, bit => ((LandlockFileAccess)bit).ToString());
        Append(names, (ulong)Net, bit => ((LandlockNetAccess)bit).ToString());
        Append(names, (ulong)Scopes, bit => "scope " + (LandlockScopes)bit);
        return names.Count == 0 ? "nothing" : string.Join(", ", names.Select(Kernel));
    }

    private static void Append(List<string> names, ulong bits, Func<ulong, string> name)
    {
        for (; bits != 0; bits &= bits - 1)
            names.Add(name(bits & (~bits + 1)));
    }

    private static string Kernel(string name) =>
        string.Concat(name.Select((c, i) => char.IsUpper(c) && i > 0 && char.IsLower(name[i - 1])
            ? "_" + c
            : char.ToUpperInvariant(c).ToString())).Replace("SCOPE ", "scope ", StringComparison.Ordinal);
}
