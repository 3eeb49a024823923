using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Isolation.Linux;

namespace Isolation.Security;

/// <summary>Reads one profile. A fault names its place: <c>syscalls[3].args[0].value</c>.</summary>
internal sealed class SeccompProfileReader(SeccompProfileHost host)
{
    private readonly List<SeccompRule> _rules = [];
    private readonly HashSet<SeccompRule> _seen = [];
    private readonly HashSet<string> _named = new(StringComparer.Ordinal);
    private readonly SortedSet<string> _unknown = new(StringComparer.Ordinal);

    internal SeccompFilter Read(JsonElement root)
    {
        if (ProfileJson.Find(root, "linux") is { } linux)
            root = ProfileJson.Find(linux, "seccomp") ?? throw ProfileJson.Wrong("linux.seccomp", "is missing");
        if (root.ValueKind != JsonValueKind.Object)
            throw ProfileJson.Wrong("", "is no object");
        SeccompAction defaultAction = ReadAction(root, "", "defaultAction", "defaultErrno");
        int index = 0;
        foreach (JsonElement entry in ProfileJson.Items(root, "", "syscalls"))
            ReadEntry(entry, string.Create(CultureInfo.InvariantCulture, $"syscalls[{index++}]."), defaultAction);
        SeccompFilter filter = SeccompFilter.Of(defaultAction).WithArchitectures([.. ReadArchitectures(root).Distinct()])
            .WithFlags(ReadFlags(root)).WithRules(_rules, _unknown);
        return SeccompProfile.RefusesNewer(defaultAction) ? filter.WithNewerSyscalls(SeccompAction.Errno(Errno.ENOSYS), Newest()) : filter;
    }

    /// <summary>By architecture, the highest number that the profile names; none where that is 0.</summary>
    /// <remarks>runc's rule. Entries with the default action count; entries for other hosts do not.</remarks>
    private ImmutableSortedDictionary<SeccompArchitecture, uint> Newest() => Enum.GetValues<SeccompArchitecture>()
        .Select(a => (Architecture: a, Number: _named.Where(n => !MultiplexedSyscalls.IsLaterNumber(a, n))
            .Select(n => SyscallTable.For(a).Number(n) ?? 0).Where(n => n < a.NumbersEnd()).DefaultIfEmpty().Max()))
        .Where(n => n.Number != 0).ToImmutableSortedDictionary(n => n.Architecture, n => n.Number);

    private void ReadEntry(JsonElement entry, string path, SeccompAction defaultAction)
    {
        SeccompAction action = ReadAction(entry, path, "action", "errno");
        ImmutableArray<ImmutableArray<SeccompCondition>> alternatives = ReadConditions(entry, path);
        string[] names = Names(entry, path);
        if (!Applies(entry, path))
            return;
        _named.UnionWith(names);
        if (action == defaultAction)
            return;
        foreach (string name in names.Where(SyscallTable.IsKnown))
            _rules.AddRange(alternatives.Select(conditions => new SeccompRule(name, action, On(name, conditions, path))).Where(_seen.Add));
        string[] unknown = [.. names.Where(n => !SyscallTable.IsKnown(n) && !SyscallTable.IsOfAnotherMachine(n))];
        _unknown.UnionWith(unknown);
        if (unknown.Length == names.Length && action.CompareTo(defaultAction) < 0)
            throw ProfileJson.Wrong(path + "names",
                $"would refuse nothing: Linux {SyscallTable.Version} has no call {string.Join(" or ", unknown.Select(Quoted))}");
    }

    private static string Quoted(string name) => $"\"{name}\"{(SyscallTable.Nearest(name) is { } near ? $" (is \"{near}\" meant?)" : "")}";

    private static ImmutableArray<SeccompCondition> On(string syscall, ImmutableArray<SeccompCondition> conditions, string path) =>
        [.. conditions.Select(c => c.On(syscall) ?? throw ProfileJson.Wrong(path + "args", "cannot hold: " + c.Excess(syscall)))];

    /// <summary>The names, or the name that older profiles have in their place.</summary>
    private static string[] Names(JsonElement entry, string path)
    {
        string one = ProfileJson.OptionalText(entry, path, "name") ?? "";
        List<JsonElement> several = ProfileJson.Items(entry, path, "names");
        if (one.Length > 0)
            return several.Count == 0
                ? [one]
                : throw ProfileJson.Wrong(path + "name", "and names are both given: an entry has one of them");
        if (several.Count == 0)
            throw ProfileJson.Wrong(path + "names", ProfileJson.Find(entry, "names") is null ? "is missing" : "is empty");
        string[] names = [.. several.Select((n, i) => ProfileJson.Text(n,
            string.Create(CultureInfo.InvariantCulture, $"{path}names[{i}]")))];
        int empty = Array.IndexOf(names, "");
        return empty < 0
            ? names
            : throw ProfileJson.Wrong(string.Create(CultureInfo.InvariantCulture, $"{path}names[{empty}]"), "is empty");
    }

    private ImmutableArray<SeccompArchitecture> ReadArchitectures(JsonElement profile)
    {
        if (host.Architectures is { } given)
            return given;
        List<JsonElement> named = ProfileJson.Items(profile, "", "architectures"), maps = ProfileJson.Items(profile, "", "archMap");
        if (named.Count > 0 && maps.Count > 0)
            throw ProfileJson.Wrong("architectures", "and archMap are both given: a profile has one of them");
        foreach (JsonElement map in maps)
        {
            if (ProfileJson.Text(map, "archMap.", "architecture") == host.Architecture.OciName())
                named = ProfileJson.Items(map, "archMap.", "subArchitectures");
        }

        SeccompArchitecture[] known = [.. named.Select((n, i) =>
            Architecture(ProfileJson.Text(n, string.Create(CultureInfo.InvariantCulture, $"architectures[{i}]"))))
            .OfType<SeccompArchitecture>()];
        // libseccomp's filters begin with the machine's own, and runc only adds to them: without it nothing could be executed.
        return known.Contains(host.Architecture) ? [.. known] : [host.Architecture, .. known];
    }

    private SeccompArchitecture? Architecture(string name) => name == "SCMP_ARCH_NATIVE" ? host.Architecture
        : SeccompArchitectures.FromOciName(name)
            ?? (SeccompArchitectures.IsOfAnotherMachine(name)
                ? null
                : throw ProfileJson.Wrong("architectures", $"\"{name}\" is no architecture; they are SCMP_ARCH_X86_64 and the like"));

    private static SeccompFlags ReadFlags(JsonElement profile)
    {
        SeccompFlags flags = SeccompFlags.None;
        foreach (JsonElement item in ProfileJson.Items(profile, "", "flags"))
        {
            string name = ProfileJson.Text(item, "flags");
            (string Name, SeccompFlags Flag) known = SeccompProfile.Flags.FirstOrDefault(f => f.Name == name);
            flags |= known.Name is not null
                ? known.Flag
                : throw ProfileJson.Wrong("flags", $"\"{name}\" is none of {string.Join(", ", SeccompProfile.Flags.Select(f => f.Name))}");
        }

        return flags;
    }

    private bool Applies(JsonElement entry, string path)
    {
        if (ProfileJson.Section(entry, path, "includes") is { } includes)
        {
            List<JsonElement> architectures = ProfileJson.Items(includes, path + "includes.", "arches");
            if (architectures.Count > 0 && !architectures.Any(a => IsHosts(a, path + "includes.arches")))
                return false;
            if (!ProfileJson.Items(includes, path + "includes.", "caps").All(c => Has(c, path + "includes.caps")))
                return false;
            if (ProfileJson.OptionalText(includes, path + "includes.", "minKernel") is { } kernel
                && host.Kernel < Version(kernel, path + "includes.minKernel"))
                return false;
        }

        return ProfileJson.Section(entry, path, "excludes") is not { } excludes
            || (!ProfileJson.Items(excludes, path + "excludes.", "arches").Any(a => IsHosts(a, path + "excludes.arches"))
                && !ProfileJson.Items(excludes, path + "excludes.", "caps").Any(c => Has(c, path + "excludes.caps"))
                && !(ProfileJson.OptionalText(excludes, path + "excludes.", "minKernel") is { } below
                    && host.Kernel >= Version(below, path + "excludes.minKernel")));
    }

    private bool IsHosts(JsonElement architecture, string path) => ProfileJson.Text(architecture, path) == host.Architecture.ProfileName();

    private static KernelVersion Version(string text, string path)
    {
        try
        {
            return KernelVersion.Parse(text);
        }
        catch (FormatException e)
        {
            throw ProfileJson.Wrong(path, e.Message);
        }
    }

    /// <summary>Whether the program has a capability. One that is not known it has not,
    /// as Docker and Podman decide, and it is told.</summary>
    private bool Has(JsonElement element, string path)
    {
        string name = ProfileJson.Text(element, path);
        try
        {
            return host.Capabilities.Contains(CapabilitySet.ParseName(name));
        }
        catch (FormatException)
        {
            _unknown.Add(name);
            return false;
        }
    }

    /// <summary>The conditions as alternatives: one list, unless an argument is named twice.</summary>
    private static ImmutableArray<ImmutableArray<SeccompCondition>> ReadConditions(JsonElement entry, string path)
    {
        ImmutableArray<SeccompCondition> all =
            [.. ProfileJson.Items(entry, path, "args")
                .Select((a, i) => ReadCondition(a, string.Create(CultureInfo.InvariantCulture, $"{path}args[{i}].")))];
        return all.Select(c => c.Argument).Distinct().Count() == all.Length ? [all] : [.. all.Select(c => ImmutableArray.Create(c))];
    }

    private static SeccompCondition ReadCondition(JsonElement element, string path)
    {
        ulong index = ProfileJson.Number(element, path, "index") ?? throw ProfileJson.Wrong(path + "index", "is missing");
        ulong value = ProfileJson.Number(element, path, "value") ?? throw ProfileJson.Wrong(path + "value", "is missing");
        ulong second = ProfileJson.Number(element, path, "valueTwo") ?? 0;
        string name = ProfileJson.Text(element, path, "op");
        if (index > 5)
            throw ProfileJson.Wrong(path + "index", "is 0 to 5");
        int argument = (int)index;
        return SeccompProfile.Comparisons.IndexOf(name) switch
        {
            0 => SeccompCondition.Equal(argument, value),
            1 => SeccompCondition.NotEqual(argument, value),
            2 => SeccompCondition.LessThan(argument, value),
            3 => SeccompCondition.LessOrEqual(argument, value),
            4 => SeccompCondition.GreaterThan(argument, value),
            5 => SeccompCondition.GreaterOrEqual(argument, value),
            6 => SeccompCondition.MaskedEqual(argument, value, second),
            _ => throw ProfileJson.Wrong(path + "op", $"\"{name}\" is none of {string.Join(", ", SeccompProfile.Comparisons)}"),
        };
    }

    private static SeccompAction ReadAction(JsonElement element, string path, string property, string errnoProperty)
    {
        string name = ProfileJson.Text(element, path, property);
        ulong data = ReadErrno(element, path, errnoProperty) ?? ProfileJson.Number(element, path, errnoProperty + "Ret")
            ?? (ulong)Errno.EPERM;
        if (data > (name == "SCMP_ACT_TRACE" ? ushort.MaxValue : 4095u))
            throw ProfileJson.Wrong(path + errnoProperty + "Ret", name == "SCMP_ACT_TRACE" ? "is 0 to 65535" : "is 0 to 4095");
        return name switch
        {
            "SCMP_ACT_KILL" or "SCMP_ACT_KILL_THREAD" => SeccompAction.KillThread,
            "SCMP_ACT_KILL_PROCESS" => SeccompAction.KillProcess,
            "SCMP_ACT_TRAP" => SeccompAction.Trap(),
            "SCMP_ACT_ERRNO" => SeccompAction.Errno((Errno)data),
            "SCMP_ACT_TRACE" => SeccompAction.Trace((ushort)data),
            "SCMP_ACT_LOG" => SeccompAction.Log,
            "SCMP_ACT_ALLOW" => SeccompAction.Allow,
            "SCMP_ACT_NOTIFY" => SeccompAction.UserNotify,
            _ => throw ProfileJson.Wrong(path + property,
                $"\"{name}\" is none of SCMP_ACT_KILL, {string.Join(", ", SeccompProfile.Actions)}"),
        };
    }

    /// <summary>Podman's word for an error number: a name, or the number as text. It counts before the number.</summary>
    private static ulong? ReadErrno(JsonElement element, string path, string property)
    {
        string text = ProfileJson.OptionalText(element, path, property) ?? "";
        if (text.Length == 0)
            return null;
        if (ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ushort number))
            return number;
        // Second names, which errno(3) lists.
        string name = text switch { "EWOULDBLOCK" => "EAGAIN", "EDEADLOCK" => "EDEADLK", "ENOTSUP" => "EOPNOTSUPP", _ => text };
        return Array.IndexOf(Enum.GetNames<Errno>(), name) >= 0 && name != nameof(Errno.None)
            ? (ulong)Enum.Parse<Errno>(name)
            : throw ProfileJson.Wrong(path + property, $"\"{text}\" is no error number; names are those of errno(3), such as EPERM");
    }
}
