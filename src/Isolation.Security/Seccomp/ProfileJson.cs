using System.Text.Json;
using Isolation.Linux;

namespace Isolation.Security;

/// <summary>The values of a profile's JSON. As in Go, where the profiles' other readers are written, names of members count in any case,
/// the last of several counts, and null is as if it were not there.</summary>
internal static class ProfileJson
{
    internal static JsonElement? Find(JsonElement element, string property)
    {
        JsonElement? found = null;
        if (element.ValueKind != JsonValueKind.Object)
            return null;
        foreach (JsonProperty member in element.EnumerateObject())
        {
            if (string.Equals(Unicode(() => member.Name, "the name of a member"), property, StringComparison.OrdinalIgnoreCase))
                found = member.Value;
        }

        return found is { ValueKind: JsonValueKind.Null } ? null : found;
    }

    internal static List<JsonElement> Items(JsonElement element, string path, string property)
    {
        if (element.ValueKind != JsonValueKind.Object)
            throw Wrong(path.TrimEnd('.'), "is no object");
        if (Find(element, property) is not { } list)
            return [];
        return list.ValueKind == JsonValueKind.Array ? [.. list.EnumerateArray()] : throw Wrong(path + property, "is no list");
    }

    internal static JsonElement? Section(JsonElement element, string path, string property) =>
        Find(element, property) is { } section && section.ValueKind != JsonValueKind.Object
            ? throw Wrong(path + property, "is no object")
            : Find(element, property);

    internal static string Text(JsonElement element, string path, string property) =>
        OptionalText(element, path, property) ?? throw Wrong(path + property, "is missing");

    internal static string? OptionalText(JsonElement element, string path, string property) =>
        Find(element, property) is { } text ? Text(text, path + property) : null;

    internal static string Text(JsonElement element, string path) =>
        element.ValueKind == JsonValueKind.String ? Unicode(() => element.GetString()!, path) : throw Wrong(path, "is no text");

    internal static ulong? Number(JsonElement element, string path, string property)
    {
        if (Find(element, property) is not { } number)
            return null;
        return number.ValueKind == JsonValueKind.Number && number.TryGetUInt64(out ulong value)
            ? value
            : throw Wrong(path + property, "is no number from 0 to 2^64-1");
    }

    /// <summary>A fault, with what the profile says made printable: it may be somebody else's.</summary>
    internal static FormatException Wrong(string path, string fault) =>
        new($"The seccomp profile is wrong: {(path.Length == 0 ? "it" : path)} {PrintableText.Of(fault)}.");

    // Half of a surrogate pair, or bytes that are no UTF-8.
    private static string Unicode(Func<string> text, string path)
    {
        try
        {
            return text();
        }
        catch (InvalidOperationException)
        {
            throw Wrong(path, "is no Unicode text");
        }
    }
}
