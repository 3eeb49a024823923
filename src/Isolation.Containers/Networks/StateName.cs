using System.Collections.Frozen;
using System.Globalization;

namespace Isolation.Containers;

/// <summary>The rule for names of containers and networks. Each becomes a control group, a file, a line of /etc/hosts
/// and a word of the command line.</summary>
internal static class StateName
{
    internal const int MaxContainerLength = 64, MaxNetworkLength = 32;

    // Words that mean something where a name may stand, files beside those of networks, and the group that this library keeps for itself.
    private static readonly FrozenSet<string> s_words = new[]
    {
        "none", "host", "private", "auto", "default", "bridge", "container", "pasta", "slirp4netns", "macvlan", "ipvlan", "link",
        "hosts", "lock", "own", "localhost", "ip6-localhost", "ip6-loopback",
    }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    /// <summary>What is wrong with a name, as what follows "it"; null where nothing is.</summary>
    internal static string? FaultOf(string name, int maxLength)
    {
        if (name.Length == 0 || name.Length > maxLength || !char.IsAsciiLetterOrDigit(name[0])
            || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.'))
            return string.Create(CultureInfo.InvariantCulture,
                $"must be at most {maxLength} letters, digits, _, - and ., and begin with a letter or digit");
        if (name.All(char.IsAsciiDigit))
            return "must have more than digits, which mean a process";
        return s_words.Contains(name) ? "must be a name that has no other meaning" : null;
    }
}
