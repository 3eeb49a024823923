using System.Collections.Immutable;
using System.Globalization;

namespace Isolation.Containers;

/// <summary>A user by number, with its groups.</summary>
/// <param name="UserId">The user id in the container.</param>
/// <param name="GroupId">The group id in the container.</param>
/// <param name="Groups">Supplementary group ids.</param>
/// <param name="Home">The home directory from the passwd file; <c>/</c> where it names none.</param>
public sealed record ResolvedUser(uint UserId, uint GroupId, ImmutableArray<uint> Groups, string Home)
{
    /// <inheritdoc/>
    public bool Equals(ResolvedUser? other) => other is not null && (UserId, GroupId, Home) == (other.UserId, other.GroupId, other.Home)
        && Groups.AsSpan().SequenceEqual(other.Groups.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(UserId, GroupId, Home);
}
