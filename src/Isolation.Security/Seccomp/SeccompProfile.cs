using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Isolation.Linux;

namespace Isolation.Security;

/// <summary>What a profile's includes and excludes are decided by.</summary>
public sealed record SeccompProfileHost
{
    /// <summary>The architecture that the profile is for; its sub-architectures come from the profile.</summary>
    public SeccompArchitecture Architecture { get; init; } = SeccompArchitectures.Native;

    /// <summary>The architectures of the filter; null takes those that the profile names.</summary>
    public ImmutableArray<SeccompArchitecture>? Architectures { get; init; }

    /// <summary>The capabilities of the program.</summary>
    public CapabilitySet Capabilities { get; init; } = CapabilitySet.DockerDefault;

    /// <summary>The kernel.</summary>
    public KernelVersion Kernel { get; init; } = KernelVersion.Running;
}

/// <summary>Reads and writes filters as JSON: OCI's <c>linux.seccomp</c>, the profiles of Docker and Podman, a whole config.json.</summary>
/// <remarks>Read as runc reads it: a rule with the default action is none, an argument that is named twice makes alternatives. Other than there, the order of rules has no meaning.
/// See the OCI runtime specification, "Seccomp".</remarks>
public static class SeccompProfile
{
    private static readonly string[] s_comparisons = ["SCMP_CMP_EQ", "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_GT", "SCMP_CMP_GE", "SCMP_CMP_MASKED_EQ"];
    private static readonly string[] s_actions =
        ["SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP", "SCMP_ACT_ERRNO", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE", "SCMP_ACT_LOG", "SCMP_ACT_ALLOW"];

    private static readonly (string Name, SeccompFlags Flag)[] s_flags =
    [
        ("SECCOMP_FILTER_FLAG_TSYNC", SeccompFlags.None), // of no meaning for a new process
        ("SECCOMP_FILTER_FLAG_LOG", SeccompFlags.Log),
        ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", SeccompFlags.SpecAllow),
        ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SeccompFlags.WaitKillableRecv),
    ];

    /// <summary>Reads a profile.</summary>
    /// <param name="json">The text.</param>
    /// <param name="host">What includes and excludes are decided by; null for this host and Docker's capabilities.</param>
    /// <returns>The filter. Names that no table has are in <see cref="SeccompFilter.UnknownNames"/>.</returns>
    /// <exception cref="FormatException">It is no JSON, or no profile; names the place.</exception>
    public static SeccompFilter Read(string json, SeccompProfileHost? host = null)
    {
        ArgumentNullException.ThrowIfNull(json);
        try
        {
            using JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
            JsonElement root = document.RootElement;
            if (root.ValueKind == JsonValueKind.Object && root.TryGetProperty("linux", out JsonElement linux))
                root = linux.ValueKind == JsonValueKind.Object && linux.TryGetProperty("seccomp", out JsonElement seccomp) ? seccomp : throw Wrong("linux.seccomp", "is missing");
            return Read(root, host ?? new SeccompProfileHost());
        }
        catch (JsonException e)
        {
            throw new FormatException(FormattableString.Invariant($"The seccomp profile is no JSON: it goes wrong at line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}."), e);
        }
    }

    /// <summary>Writes a filter as OCI's <c>linux.seccomp</c>. What OCI has no words for is left out: the actions for foreign architectures and for newer calls.</summary>
    public static string Write(SeccompFilter filter)
    {
        ArgumentNullException.ThrowIfNull(filter);
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            writer.WriteStartObject();
            WriteAction(writer, "defaultAction", "defaultErrnoRet", filter.DefaultAction);
            WriteStrings(writer, "architectures", filter.Architectures.Select(a => a.OciName()));
            if (filter.Flags != SeccompFlags.None)
                WriteStrings(writer, "flags", s_flags.Where(f => f.Flag != SeccompFlags.None && filter.Flags.HasFlag(f.Flag)).Select(f => f.Name));
            writer.WriteStartArray("syscalls");
            foreach (var group in filter.Rules.GroupBy(r => (r.Action, Key: string.Join(';', r.Conditions))))
            {
                writer.WriteStartObject();
                WriteStrings(writer, "names", group.Select(r => SyscallName(r, filter)).Order(StringComparer.Ordinal));
                WriteAction(writer, "action", "errnoRet", group.Key.Action);
                if (!group.First().Conditions.IsEmpty)
                    WriteConditions(writer, group.First().Conditions);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        return System.Text.Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }

    private static SeccompFilter Read(JsonElement profile, SeccompProfileHost host)
    {
        if (profile.ValueKind != JsonValueKind.Object)
            throw Wrong("", "is no object");
        SeccompAction defaultAction = ReadAction(profile, "", "defaultAction", "defaultErrnoRet");
        SeccompFilter filter = SeccompFilter.Of(defaultAction).WithArchitectures([.. ReadArchitectures(profile, host)]).WithFlags(ReadFlags(profile));
        var rules = new List<SeccompRule>();
        var seen = new HashSet<SeccompRule>();
        var unknown = new SortedSet<string>(StringComparer.Ordinal);
        int index = 0;
        foreach (JsonElement entry in Items(profile, "", "syscalls"))
        {
            string path = string.Create(CultureInfo.InvariantCulture, $"syscalls[{index++}].");
            SeccompAction action = ReadAction(entry, path, "action", "errnoRet");
            ImmutableArray<ImmutableArray<SeccompCondition>> alternatives = ReadConditions(entry, path);
            if (action == defaultAction || !Applies(entry, path, host))
                continue;
            foreach (string name in Names(entry, path))
            {
                if (!SyscallTable.IsKnown(name))
                    unknown.Add(name);
                else
                    rules.AddRange(alternatives.Select(conditions => new SeccompRule(name, action, conditions)).Where(seen.Add));
            }
        }

        return filter.WithRules(rules, unknown);
    }

    private static IEnumerable<string> Names(JsonElement entry, string path) => entry.TryGetProperty("name", out JsonElement one)
        ? [Text(one, path + "name")]
        : Items(entry, path, "names", required: true).Select((n, i) => Text(n, string.Create(CultureInfo.InvariantCulture, $"{path}names[{i}]")));

    private static IEnumerable<SeccompArchitecture> ReadArchitectures(JsonElement profile, SeccompProfileHost host)
    {
        if (host.Architectures is { } given)
            return given;
        List<JsonElement> named = Items(profile, "", "architectures");
        if (named.Count > 0)
        {
            SeccompArchitecture[] known = [.. named.Select((n, i) => SeccompArchitectures.FromOciName(Text(n, string.Create(CultureInfo.InvariantCulture, $"architectures[{i}]")))).OfType<SeccompArchitecture>().Distinct()];
            return known.Length > 0 ? known : throw Wrong("architectures", "names none of x86-64, x32, x86, arm64 and arm");
        }

        foreach (JsonElement map in Items(profile, "", "archMap"))
        {
            if (Text(map, "archMap", "architecture") == host.Architecture.OciName())
            {
                return Items(map, "archMap.", "subArchitectures").Select(s => SeccompArchitectures.FromOciName(Text(s, "archMap.subArchitectures"))).OfType<SeccompArchitecture>()
                    .Prepend(host.Architecture);
            }
        }

        return [host.Architecture];
    }

    private static SeccompFlags ReadFlags(JsonElement profile)
    {
        SeccompFlags flags = SeccompFlags.None;
        foreach (JsonElement item in Items(profile, "", "flags"))
        {
            string name = Text(item, "flags");
            int known = Array.FindIndex(s_flags, f => f.Name == name);
            flags |= known >= 0 ? s_flags[known].Flag : throw Wrong("flags", $"\"{name}\" is none of {string.Join(", ", s_flags.Select(f => f.Name))}");
        }

        return flags;
    }

    private static bool Applies(JsonElement entry, string path, SeccompProfileHost host)
    {
        if (Section(entry, path, "includes") is { } includes)
        {
            List<JsonElement> architectures = Items(includes, path + "includes.", "arches");
            if (architectures.Count > 0 && !architectures.Any(a => a.ValueEquals(host.Architecture.ProfileName())))
                return false;
            if (!Items(includes, path + "includes.", "caps").All(c => Has(c, path + "includes.caps", host)))
                return false;
            if (includes.TryGetProperty("minKernel", out JsonElement kernel) && host.Kernel < Version(kernel, path + "includes.minKernel"))
                return false;
        }

        return Section(entry, path, "excludes") is not { } excludes
            || (!Items(excludes, path + "excludes.", "arches").Any(a => a.ValueEquals(host.Architecture.ProfileName()))
                && !Items(excludes, path + "excludes.", "caps").Any(c => Has(c, path + "excludes.caps", host))
                && !(excludes.TryGetProperty("minKernel", out JsonElement below) && host.Kernel >= Version(below, path + "excludes.minKernel")));
    }

    private static KernelVersion Version(JsonElement element, string path)
    {
        try
        {
            return KernelVersion.Parse(Text(element, path));
        }
        catch (FormatException e)
        {
            throw Wrong(path, e.Message);
        }
    }

    private static bool Has(JsonElement name, string path, SeccompProfileHost host)
    {
        try
        {
            return host.Capabilities.Contains(CapabilitySet.ParseName(Text(name, path)));
        }
        catch (FormatException e)
        {
            throw Wrong(path, e.Message);
        }
    }

    /// <summary>The conditions as alternatives: one list, unless an argument is named twice.</summary>
    private static ImmutableArray<ImmutableArray<SeccompCondition>> ReadConditions(JsonElement entry, string path)
    {
        ImmutableArray<SeccompCondition> all = [.. Items(entry, path, "args").Select((a, i) => ReadCondition(a, string.Create(CultureInfo.InvariantCulture, $"{path}args[{i}].")))];
        return all.Select(c => c.Argument).Distinct().Count() == all.Length ? [all] : [.. all.Select(c => ImmutableArray.Create(c))];
    }

    private static SeccompCondition ReadCondition(JsonElement element, string path)
    {
        ulong index = Number(element, path, "index", required: true), value = Number(element, path, "value", required: true), second = Number(element, path, "valueTwo");
        string name = Text(element, path, "op");
        if (index > 5)
            throw Wrong(path + "index", "is 0 to 5");
        int argument = (int)index;
        return Array.IndexOf(s_comparisons, name) switch
        {
            0 => SeccompCondition.Equal(argument, value),
            1 => SeccompCondition.NotEqual(argument, value),
            2 => SeccompCondition.LessThan(argument, value),
            3 => SeccompCondition.LessOrEqual(argument, value),
            4 => SeccompCondition.GreaterThan(argument, value),
            5 => SeccompCondition.GreaterOrEqual(argument, value),
            6 => SeccompCondition.MaskedEqual(argument, value, second),
            _ => throw Wrong(path + "op", $"\"{name}\" is none of {string.Join(", ", s_comparisons)}"),
        };
    }

    private static SeccompAction ReadAction(JsonElement element, string path, string property, string errnoProperty)
    {
        string name = Text(element, path, property);
        ulong data = element.TryGetProperty(errnoProperty, out JsonElement given) && given.ValueKind != JsonValueKind.Null ? Number(element, path, errnoProperty) : (ulong)Errno.EPERM;
        if (data > 4095)
            throw Wrong(path + errnoProperty, "is 0 to 4095");
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
            _ => throw Wrong(path + property, $"\"{name}\" is none of SCMP_ACT_KILL, {string.Join(", ", s_actions)}"),
        };
    }

    private static List<JsonElement> Items(JsonElement element, string path, string property, bool required = false)
    {
        if (element.ValueKind != JsonValueKind.Object)
            throw Wrong(path.TrimEnd('.'), "is no object");
        if (!element.TryGetProperty(property, out JsonElement list) || list.ValueKind == JsonValueKind.Null)
            return required ? throw Wrong(path + property, "is missing") : [];
        return list.ValueKind == JsonValueKind.Array ? [.. list.EnumerateArray()] : throw Wrong(path + property, "is no list");
    }

    private static JsonElement? Section(JsonElement element, string path, string property)
    {
        if (!element.TryGetProperty(property, out JsonElement section) || section.ValueKind == JsonValueKind.Null)
            return null;
        return section.ValueKind == JsonValueKind.Object ? section : throw Wrong(path + property, "is no object");
    }

    private static string Text(JsonElement element, string path, string property) => element.ValueKind == JsonValueKind.Object && element.TryGetProperty(property, out JsonElement text)
        ? Text(text, path + property)
        : throw Wrong(path + property, "is missing");

    private static string Text(JsonElement element, string path) => element.ValueKind == JsonValueKind.String ? element.GetString()! : throw Wrong(path, "is no text");

    private static ulong Number(JsonElement element, string path, string property, bool required = false)
    {
        if (element.ValueKind != JsonValueKind.Object || !element.TryGetProperty(property, out JsonElement number) || number.ValueKind == JsonValueKind.Null)
            return required ? throw Wrong(path + property, "is missing") : 0ul;
        return number.ValueKind == JsonValueKind.Number && number.TryGetUInt64(out ulong value) ? value : throw Wrong(path + property, "is no number from 0 to 2^64-1");
    }

    private static FormatException Wrong(string path, string fault) => new($"The seccomp profile is wrong: {(path.Length == 0 ? "it" : path)} {fault}.");

    private static string SyscallName(SeccompRule rule, SeccompFilter filter) =>
        uint.TryParse(rule.Syscall, NumberStyles.None, CultureInfo.InvariantCulture, out uint number)
            ? SyscallTable.For(filter.Architectures[0]).Name(number) ?? throw new InvalidOperationException($"A profile has names, and call {number} has none.")
            : rule.Syscall;

    private static void WriteAction(Utf8JsonWriter writer, string property, string errnoProperty, SeccompAction action)
    {
        writer.WriteString(property, s_actions[(int)action.Kind]);
        if (action.Kind is SeccompActionKind.Errno or SeccompActionKind.Trace)
            writer.WriteNumber(errnoProperty, action.Data);
    }

    private static void WriteStrings(Utf8JsonWriter writer, string property, IEnumerable<string> values)
    {
        writer.WriteStartArray(property);
        foreach (string value in values)
            writer.WriteStringValue(value);
        writer.WriteEndArray();
    }

    private static void WriteConditions(Utf8JsonWriter writer, ImmutableArray<SeccompCondition> conditions)
    {
        if (conditions.Select(c => c.Argument).Distinct().Count() != conditions.Length)
            throw new InvalidOperationException("A profile cannot say that one argument meets several conditions at once.");
        writer.WriteStartArray("args");
        foreach (SeccompCondition condition in conditions)
        {
            bool masked = condition.Comparison == SeccompComparison.MaskedEqual;
            writer.WriteStartObject();
            writer.WriteNumber("index", condition.Argument);
            writer.WriteNumber("value", masked ? condition.Mask : condition.Value);
            if (masked)
                writer.WriteNumber("valueTwo", condition.Value);
            writer.WriteString("op", s_comparisons[(int)condition.Comparison]);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }
}
