using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Isolation.Security;

namespace Isolation.Containers;

/// <summary>How the types of a spec are written, generated at compile time.</summary>
[JsonSourceGenerationOptions(UseStringEnumConverter = true)]
[JsonSerializable(typeof(ContainerSpec))]
[JsonSerializable(typeof(LandlockParts))]
internal sealed partial class SpecJsonContext : JsonSerializerContext;

/// <summary>What a Landlock ruleset consists of.</summary>
internal sealed record LandlockParts(LandlockRights Required, LandlockRights BestEffort, ImmutableArray<LandlockPathRule> Paths,
    ImmutableArray<LandlockPortRule> Ports, LandlockLogging Logging, LandlockRights QuietRights);
