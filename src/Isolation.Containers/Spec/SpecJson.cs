using System.Collections.Immutable;
using System.Net;
using System.Net.NetworkInformation;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Isolation.Cgroups;
using Isolation.Linux;
using Isolation.Namespaces;
using Isolation.Net.TrafficControl;
using Isolation.Security;

namespace Isolation.Containers;

/// <summary>A spec as JSON, both ways. Every property is written, and none may be missing where it is read: what a text does not say
/// would else be decided by whoever reads it.</summary>
internal static class SpecJson
{
    private const int Version = 1;

    private static readonly JsonSerializerOptions s_options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        TypeInfoResolver = SpecJsonContext.Default.WithAddedModifier(RequireEverything),
        Converters =
        {
            new SeccompFilterConverter(), new LandlockConverter(), new CgroupSettingsConverter(), new StringMapConverter(),
            new TextConverter<ByteSize>(ByteSize.Parse), new TextConverter<BitRate>(BitRate.Parse),
            new TextConverter<IdMap>(IdMap.Parse), new TextConverter<CapabilitySet>(CapabilitySet.Parse),
            new TextConverter<Rlimit>(Rlimit.Parse), new TextConverter<ContainerUser>(ContainerUser.Parse),
            new TextConverter<CpuAffinity>(CpuAffinity.Parse), new TextConverter<SELinuxContext>(SELinuxContext.Parse),
            new TextConverter<IPAddress>(IPAddress.Parse), new TextConverter<IPNetwork>(IPNetwork.Parse),
            new TextConverter<PhysicalAddress>(PhysicalAddress.Parse),
            new TextConverter<UnixFileMode>(ReadMode, MountSteps.Octal),
        },
    };

    internal static JsonSerializerOptions Compact { get; } = new()
    { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, TypeInfoResolver = SpecJsonContext.Default };

    internal static string Write(ContainerSpec spec) => ToNode(spec).ToJsonString(s_options);

    internal static JsonObject ToNode(ContainerSpec spec)
    {
        JsonObject json = JsonSerializer.SerializeToNode(spec, TypeInfo)!.AsObject();
        json.Insert(0, "version", Version);
        return json;
    }

    /// <summary>The spec as it is printed: without values of environment variables and contents of files, which may be secrets.</summary>
    internal static JsonObject ToPrintableNode(ContainerSpec spec)
    {
        JsonObject json = ToNode(spec);
        JsonObject environment = json["environment"]!.AsObject();
        foreach ((string name, _) in environment.ToArray())
            environment[name] = "***";
        foreach (JsonObject mount in json["mounts"]!.AsArray().OfType<JsonObject>().Where(m => m.ContainsKey("content")))
            mount["content"] = "***";
        return json;
    }

    internal static string Print(ContainerSpec spec) => ToPrintableNode(spec).ToJsonString(s_options);

    /// <exception cref="FormatException">The text is no JSON, says something that no spec has, or leaves something out.</exception>
    internal static ContainerSpec Read(string text)
    {
        try
        {
            if (JsonNode.Parse(text) is not JsonObject json)
                throw new FormatException("The spec cannot be read: it is no JSON object.");
            if (json["version"] is not JsonValue version || !version.TryGetValue(out int number) || number != Version)
                throw new FormatException($"The spec cannot be read: its version is {json["version"]?.ToJsonString() ?? "missing"}, "
                    + $"and this library reads {Version}.");
            json.Remove("version");
            return json.Deserialize(TypeInfo)!;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException or OverflowException
            or NotSupportedException) // what has no "type", for one
        {
            throw new FormatException($"The spec cannot be read: {e.Message}", e);
        }
    }

    private static JsonTypeInfo<ContainerSpec> TypeInfo => (JsonTypeInfo<ContainerSpec>)s_options.GetTypeInfo(typeof(ContainerSpec));

    private static void RequireEverything(JsonTypeInfo type)
    {
        foreach (JsonPropertyInfo property in type.Properties.Where(p => p.Set is not null))
            property.IsRequired = true;
    }

    private static UnixFileMode ReadMode(string text) => text.Length is > 0 and <= 5 && text.All(c => c is >= '0' and <= '7')
        ? (UnixFileMode)Convert.ToInt32(text, 8)
        : throw new FormatException($"\"{text}\" is no mode such as 0755.");

    /// <summary>What has a text of its own, which its parser reads.</summary>
    private sealed class TextConverter<T>(Func<string, T> parse, Func<T, string>? format = null) : JsonConverter<T>
    {
        public override T Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options)
        {
            string text = reader.TokenType == JsonTokenType.String ? reader.GetString()! : throw new JsonException();
            try
            {
                return parse(text);
            }
            catch (Exception e) when (e is FormatException or ArgumentException or OverflowException)
            {
                throw new JsonException(e.Message, e);
            }
        }

        public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) =>
            writer.WriteStringValue(format?.Invoke(value) ?? value!.ToString());
    }

    /// <summary>A filter as a profile, in the form that Docker reads. One that no profile can express is written as its text, and not
    /// read.</summary>
    private sealed class SeccompFilterConverter : JsonConverter<SeccompFilter>
    {
        public override SeccompFilter Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options)
        {
            using JsonDocument profile = JsonDocument.ParseValue(ref reader);
            try
            {
                return profile.RootElement.ValueKind == JsonValueKind.Object
                    ? SeccompProfile.Read(profile.RootElement.GetRawText())
                    : throw new JsonException("The filter is one that no profile can express.");
            }
            catch (FormatException e)
            {
                throw new JsonException(e.Message, e);
            }
        }

        public override void Write(Utf8JsonWriter writer, SeccompFilter value, JsonSerializerOptions options)
        {
            try
            {
                writer.WriteRawValue(SeccompProfile.Write(value));
            }
            catch (Exception e) when (e is ArgumentException or InvalidOperationException or NotSupportedException)
            {
                writer.WriteStringValue(value.ToString());
            }
        }
    }

    private sealed class LandlockConverter : JsonConverter<LandlockRuleset>
    {
        public override LandlockRuleset Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options)
        {
            LandlockParts parts = JsonSerializer.Deserialize(ref reader, Info(options)) ?? throw new JsonException();
            return LandlockRuleset.Of(parts.Required, parts.BestEffort, parts.Paths, parts.Ports, parts.Logging, parts.QuietRights);
        }

        public override void Write(Utf8JsonWriter writer, LandlockRuleset value, JsonSerializerOptions options) => JsonSerializer.Serialize(
            writer, new LandlockParts(value.Required, value.BestEffort, value.Paths, value.Ports, value.Logging, value.QuietRights),
            Info(options));

        private static JsonTypeInfo<LandlockParts> Info(JsonSerializerOptions options) =>
            (JsonTypeInfo<LandlockParts>)options.GetTypeInfo(typeof(LandlockParts));
    }

    /// <summary>Interface files and what is written to them: a text, or an array where a file has several, one for each device.</summary>
    private sealed class CgroupSettingsConverter : JsonConverter<CgroupSettings>
    {
        public override CgroupSettings Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options)
        {
            CgroupSettings settings = CgroupSettings.None;
            if (reader.TokenType != JsonTokenType.StartObject)
                throw new JsonException();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                string file = reader.GetString()!;
                bool several = reader.Read() && reader.TokenType == JsonTokenType.StartArray;
                if (!several && reader.TokenType != JsonTokenType.String)
                    throw new JsonException($"\"{file}\" must have a text, or an array of texts.");
                if (!several)
                    settings = settings.With(new CgroupSetting(file, reader.GetString()!));
                while (several && reader.Read() && reader.TokenType == JsonTokenType.String)
                    settings = settings.With(new CgroupSetting(file, reader.GetString()!));
                if (several && reader.TokenType != JsonTokenType.EndArray)
                    throw new JsonException($"\"{file}\" must have a text, or an array of texts.");
            }

            return settings;
        }

        public override void Write(Utf8JsonWriter writer, CgroupSettings value, JsonSerializerOptions options)
        {
            writer.WriteStartObject();
            foreach (IGrouping<string, CgroupSetting> file in value.GroupBy(s => s.File))
            {
                writer.WritePropertyName(file.Key);
                if (file.Count() > 1)
                    writer.WriteStartArray();
                foreach (CgroupSetting setting in file)
                    writer.WriteStringValue(setting.Value);
                if (file.Count() > 1)
                    writer.WriteEndArray();
            }

            writer.WriteEndObject();
        }
    }

    /// <summary>Names and values, ordered by code point whatever the culture.</summary>
    private sealed class StringMapConverter : JsonConverter<ImmutableSortedDictionary<string, string>>
    {
        public override ImmutableSortedDictionary<string, string> Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options)
        {
            var map = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
            if (reader.TokenType != JsonTokenType.StartObject)
                throw new JsonException();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                string name = reader.GetString()!;
                if (!reader.Read() || reader.TokenType != JsonTokenType.String || !map.TryAdd(name, reader.GetString()!))
                    throw new JsonException($"\"{name}\" must have one text as its value.");
            }

            return map.ToImmutable();
        }

        public override void Write(Utf8JsonWriter writer, ImmutableSortedDictionary<string, string> value, JsonSerializerOptions options)
        {
            writer.WriteStartObject();
            foreach ((string name, string text) in value)
                writer.WriteString(name, text);
            writer.WriteEndObject();
        }
    }
}
