namespace Isolation.Cgroups;

/// <summary>Checks paths of control groups. They are never resolved by string: each part is opened below the one before.</summary>
internal static class CgroupPath
{
    /// <summary>The parts of a path; the empty one is the caller's own control group. Others count from the hierarchy's root for one that
    /// begins with a slash, else from the caller's own control group.</summary>
    /// <exception cref="ArgumentException">A part is empty, <c>.</c>, <c>..</c>, too long, or has a character that cannot be.</exception>
    internal static string[] Parts(string path, string self)
    {
        ArgumentNullException.ThrowIfNull(path);
        string[] own = path.StartsWith('/') ? [] : Split(self);
        string trimmed = path.Trim('/');
        string[] parts = trimmed.Length == 0 ? [] : trimmed.Split('/');
        foreach (string part in parts)
        {
            if (part is "" or "." or ".." || part.Length > 255 || part.AsSpan().ContainsAny('\0', '\n'))
                throw new ArgumentException(
                    $"\"{path}\" is not a path of a control group: \""
                        + $"{part.Replace("\0", "\\0", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal)}\" "
                        + "is not a name.",
                    nameof(path));
        }

        return [.. own, .. parts];
    }

    internal static string Join(IEnumerable<string> parts) => "/" + string.Join('/', parts);

    private static string[] Split(string path) => path.Split('/', StringSplitOptions.RemoveEmptyEntries);
}
