namespace Isolation.Security;

/// <summary>A security context of SELinux: <c>system_u:system_r:container_t:s0:c12,c345</c>. An immutable value.</summary>
/// <example><code>builder = builder.WithSELinux(SELinuxContext.Parse("system_u:system_r:container_t:s0:c1,c2"));</code></example>
/// <param name="User">The SELinux user.</param>
/// <param name="Role">The role.</param>
/// <param name="Type">The type, which the rules of the policy name.</param>
/// <param name="Level">The level with its categories; null where the policy has none.</param>
public sealed record SELinuxContext(string User, string Role, string Type, string? Level = null)
{
    /// <summary>Reads a context.</summary>
    /// <exception cref="FormatException">It has not three or four parts.</exception>
    public static SELinuxContext Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] parts = text.Split(':', 4);
        return parts.Length >= 3 && parts.All(p => p.Length > 0 && !p.Any(c => char.IsWhiteSpace(c) || c is '"' or '\0'))
            ? new(parts[0], parts[1], parts[2], parts.Length == 4 ? parts[3] : null)
            : throw new FormatException($"\"{text}\" is no SELinux context such as system_u:system_r:container_t:s0:c1,c2.");
    }

    /// <summary>The context with other categories: <c>s0:c12,c345</c>.</summary>
    public SELinuxContext WithCategories(SELinuxCategories categories)
    {
        ArgumentNullException.ThrowIfNull(categories);
        return this with { Level = categories.ToString() };
    }

    /// <inheritdoc/>
    public override string ToString() => Level is null ? $"{User}:{Role}:{Type}" : $"{User}:{Role}:{Type}:{Level}";
}
