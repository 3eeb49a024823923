using System.Collections.Immutable;
using System.Net.NetworkInformation;
using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

/// <summary>Names and hardware addresses of links.</summary>
internal static class LinkNames
{
    /// <summary>IFNAMSIZ without the NUL.</summary>
    internal const int MaxLength = 15;

    // ALTIFNAMSIZ without the NUL
    private const int MaxAlternativeLength = 127;

    // What the kernel refuses, and what would end the name; isspace(3) of Latin-1 has the no-break space.
    private static readonly System.Buffers.SearchValues<char> s_forbidden = System.Buffers.SearchValues.Create("/:\0 \t\n\v\f\r\u00a0");

    /// <summary>Whether a name has no more bytes than a link's own may have; more are possible for an alternative one.</summary>
    internal static bool IsShort(string name) => System.Text.Encoding.UTF8.GetByteCount(name) <= MaxLength;

    /// <summary>Checks an interface's name as the kernel does.</summary>
    internal static string Check(string name, bool alternative = false)
    {
        ArgumentNullException.ThrowIfNull(name);
        int length = System.Text.Encoding.UTF8.GetByteCount(name), most = alternative ? MaxAlternativeLength : MaxLength;
        if (length > most)
            throw new ArgumentException($"Interface name \"{name}\" has {length} bytes; at most {most} are possible.", nameof(name));
        if (name is "" or "." or ".." || name.AsSpan().IndexOfAny(s_forbidden) >= 0)
            throw new ArgumentException($"\"{name.Replace("\0", "\\0", StringComparison.Ordinal)}\" cannot be an interface's name: "
                + "it must not be empty, \".\" or \"..\", nor contain white space, slashes or colons.", nameof(name));
        return name;
    }

    /// <summary>A hardware address with colons.</summary>
    internal static string Format(PhysicalAddress address) =>
        string.Join(':', address.GetAddressBytes().Select(b => b.ToString("x2", System.Globalization.CultureInfo.InvariantCulture)));

    internal static ImmutableArray<string> NamesIn(AttributeReader list)
    {
        var names = ImmutableArray.CreateBuilder<string>();
        AttributeReader nested = list.Nested;
        while (nested.MoveNext())
        {
            if (nested.Type == Isolation.Linux.Abi.IfLink.IFLA_ALT_IFNAME)
                names.Add(nested.Text);
        }

        return names.ToImmutable();
    }
}
