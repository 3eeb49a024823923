using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Isolation.Containers;

/// <summary>Finds where two specs differ.</summary>
internal static class SpecDiff
{
    internal static ImmutableArray<SpecChange> Compare(ContainerSpec before, ContainerSpec after)
    {
        var changes = ImmutableArray.CreateBuilder<SpecChange>();
        Compare("", new(SpecJson.ToNode(before), SpecJson.ToPrintableNode(before)),
            new(SpecJson.ToNode(after), SpecJson.ToPrintableNode(after)), changes);
        return changes.ToImmutable();
    }

    private static void Compare(string path, Pair before, Pair after, ImmutableArray<SpecChange>.Builder changes)
    {
        if (JsonNode.DeepEquals(before.Whole, after.Whole))
            return;
        if (before.Whole is JsonObject first && after.Whole is JsonObject second)
        {
            foreach (string name in first.Select(p => p.Key).Union(second.Select(p => p.Key)).ToArray())
                Compare(Join(path, name), before.Of(name), after.Of(name), changes);
        }
        else if (before.Whole is JsonArray one && after.Whole is JsonArray other)
        {
            for (int i = 0; i < Math.Max(one.Count, other.Count); i++)
                Compare(string.Create(CultureInfo.InvariantCulture, $"{path}[{i}]"), before.Of(i), after.Of(i), changes);
        }
        else
        {
            changes.Add(new SpecChange(path, before.Text, after.Text));
        }
    }

    // The names of variables, kernel settings and interface files have dots of their own.
    private static string Join(string path, string name) => name.Contains('.', StringComparison.Ordinal) ? $"{path}[\"{name}\"]"
        : path.Length == 0 ? name : $"{path}.{name}";

    /// <summary>A part of a spec, and the same part as it is printed.</summary>
    private readonly record struct Pair(JsonNode? Whole, JsonNode? Printable)
    {
        internal string? Text => Printable?.ToJsonString(SpecJson.Compact);

        internal Pair Of(string name) => new(Whole?[name], Printable is JsonObject printable ? printable[name] : Printable);

        internal Pair Of(int index) => new(At(Whole, index), Printable is JsonArray ? At(Printable, index) : Printable);

        private static JsonNode? At(JsonNode? node, int index) => node is JsonArray array && index < array.Count ? array[index] : null;
    }
}
