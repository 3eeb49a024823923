using System.Collections.Immutable;
using System.Globalization;

namespace Isolation.Containers;

/// <summary>The user and group that the program runs as: numbers, or names that the root's own passwd and group files resolve.</summary>
/// <example><code>ContainerUser user = ContainerUser.Parse("nobody:nogroup");</code></example>
/// <param name="User">A user's name, or its number in digits.</param>
/// <param name="Group">A group's name or number; null takes the user's own group from the passwd file, or 0.</param>
public sealed record ContainerUser(string User, string? Group = null)
{
    /// <summary>User 0, group 0 of the container.</summary>
    public static ContainerUser Root { get; } = new("0", "0");

    /// <summary>A user and group by number.</summary>
    public static ContainerUser Of(uint userId, uint groupId) =>
        new(userId.ToString(CultureInfo.InvariantCulture), groupId.ToString(CultureInfo.InvariantCulture));

    /// <summary>Reads <c>USER</c> or <c>USER:GROUP</c>, each a name or a number, as docker's --user takes them.</summary>
    /// <exception cref="FormatException">A part is empty.</exception>
    public static ContainerUser Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] parts = text.Split(':');
        return parts.Length <= 2 && parts.All(p => p.Length > 0)
            ? new(parts[0], parts.Length == 2 ? parts[1] : null)
            : throw new FormatException($"\"{text}\" is not a user such as 1000:1000 or nobody.");
    }

    /// <inheritdoc/>
    public override string ToString() => Group is null ? User : $"{User}:{Group}";
}
