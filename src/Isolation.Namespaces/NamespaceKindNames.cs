namespace Isolation.Namespaces;

/// <summary>Names of namespace kinds.</summary>
public static class NamespaceKindNames
{
    /// <summary>The file's name in /proc/PID/ns: <c>mnt</c>, <c>net</c>.</summary>
    /// <exception cref="ArgumentException">Not exactly one kind.</exception>
    public static string FileName(this NamespaceKinds kind) => kind switch
    {
        NamespaceKinds.Time => "time",
        NamespaceKinds.Mount => "mnt",
        NamespaceKinds.Cgroup => "cgroup",
        NamespaceKinds.Uts => "uts",
        NamespaceKinds.Ipc => "ipc",
        NamespaceKinds.User => "user",
        NamespaceKinds.Pid => "pid",
        NamespaceKinds.Net => "net",
        _ => throw new ArgumentException($"\"{kind}\" is not one kind of namespace.", nameof(kind)),
    };

    /// <summary>The single kinds in a set, in the order of their flags.</summary>
    public static IEnumerable<NamespaceKinds> Each(this NamespaceKinds kinds) =>
        Enum.GetValues<NamespaceKinds>().Where(k => k is not (NamespaceKinds.None or NamespaceKinds.All) && kinds.HasFlag(k));

    internal static string CloneNames(this NamespaceKinds kinds) => kinds == NamespaceKinds.None ? "0"
        : string.Join('|',
            kinds.Each().Select(k => k == NamespaceKinds.Mount ? "CLONE_NEWNS" : "CLONE_NEW" + k.FileName().ToUpperInvariant()));
}
