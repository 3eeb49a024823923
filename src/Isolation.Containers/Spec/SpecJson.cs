using System.Text;
using System.Text.Json;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Containers;

/// <summary>Prints a spec as JSON, for reading, comparing and bug reports.</summary>
internal static class SpecJson
{
    private static readonly JsonWriterOptions s_options = new()
    { Indented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    internal static string Write(ContainerSpec spec)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, s_options))
        {
            json.WriteStartObject();
            WriteRoot(json, spec);
            WriteProcess(json, spec);
            WriteNamespaces(json, spec);
            WriteNetwork(json, spec.Network);
            WriteMounts(json, spec);
            WriteStrings(json, "maskedPaths", spec.MaskedPaths);
            WriteStrings(json, "readOnlyPaths", spec.ReadOnlyPaths);
            WriteMap(json, "sysctl", spec.Sysctls);
            if (spec.Init is { } init)
                json.WriteBoolean("init", init);
            json.WriteBoolean("dieWithParent", spec.DieWithParent);
            WriteOptional(json, "timeout", spec.Timeout?.ToString("c"));
            WriteOptional(json, "cpuTimeMax", spec.CpuTimeMax?.ToString("c"));
            WriteOptional(json, "outputMax", spec.OutputMax?.ToString());
            WriteOptional(json, "form", spec.Form?.ToString());
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.ToArray());
    }

    private static void WriteRoot(Utf8JsonWriter json, ContainerSpec spec)
    {
        json.WriteStartObject("root");
        switch (spec.Rootfs)
        {
            case HostRootfs:
                json.WriteBoolean("host", true);
                break;
            case DirectoryRootfs directory:
                json.WriteString("path", directory.Path);
                json.WriteBoolean("idMapped", directory.IdMapped);
                break;
            case OverlayRootfs overlay:
                WriteStrings(json, "lower", overlay.LowerDirectories);
                WriteOptional(json, "upper", overlay.UpperDirectory);
                WriteOptional(json, "work", overlay.WorkDirectory);
                break;
        }

        json.WriteBoolean("readonly", spec.HasReadOnlyRoot);
        json.WriteEndObject();
    }

    private static void WriteProcess(Utf8JsonWriter json, ContainerSpec spec)
    {
        json.WriteStartObject("process");
        WriteStrings(json, "args", spec.Command);
        WriteMap(json, "env", spec.Environment);
        json.WriteString("cwd", spec.WorkingDirectory);
        json.WriteBoolean("createCwd", spec.CreateWorkingDirectory);
        json.WriteString("user", spec.User.ToString());
        WriteStrings(json, "additionalGroups", spec.AdditionalGroups);
        WriteOptional(json, "umask", spec.Umask is { } umask ? MountSteps.Octal(umask) : null);
        WriteStrings(json, "rlimits", spec.Rlimits.Select(r => r.ToString()));
        if (spec.OomScoreAdj is { } score)
            json.WriteNumber("oomScoreAdj", score);
        json.WriteBoolean("noNewPrivileges", spec.NoNewPrivileges);
        WriteCapabilities(json, spec.Capabilities);
        json.WriteBoolean("terminal", spec.Terminal);
        json.WriteString("stdin", Stream(spec.StandardInput));
        json.WriteString("stdout", Stream(spec.StandardOutput));
        json.WriteString("stderr", Stream(spec.StandardError));
        WriteStrings(json, "descriptors",
            spec.Descriptors.Select(d => d.Target.ToString(System.Globalization.CultureInfo.InvariantCulture)));
        json.WriteEndObject();
    }

    private static void WriteCapabilities(Utf8JsonWriter json, CapabilityState state)
    {
        json.WriteStartObject("capabilities");
        json.WriteString("bounding", state.Bounding.ToString());
        json.WriteString("permitted", state.Permitted.ToString());
        json.WriteString("effective", state.Effective.ToString());
        json.WriteString("inheritable", state.Inheritable.ToString());
        json.WriteString("ambient", state.Ambient.ToString());
        json.WriteEndObject();
    }

    private static void WriteNamespaces(Utf8JsonWriter json, ContainerSpec spec)
    {
        NamespaceSettings settings = spec.Namespaces;
        json.WriteStartObject("namespaces");
        json.WriteString("user", settings.User.ToString());
        WriteOptional(json, "uidMap", settings.UserIds?.ToString());
        WriteOptional(json, "gidMap", settings.GroupIds?.ToString());
        json.WriteString("sharedWithHost", settings.SharedWithHost.ToString());
        WriteStrings(json, "joined", settings.Joined.Select(j => j.ToString()));
        WriteOptional(json, "timeOffsets", settings.TimeOffsets?.ToString().Trim());
        json.WriteBoolean("loopbackUp", settings.LoopbackUp);
        WriteOptional(json, "hostname", spec.HostName);
        WriteOptional(json, "domainname", spec.DomainName);
        json.WriteEndObject();
    }

    private static void WriteNetwork(Utf8JsonWriter json, NetworkSettings settings)
    {
        if (settings.IsDefault)
            return;
        json.WriteStartObject("network");
        WriteOptional(json, "network", settings.Network?.Describe());
        WriteOptional(json, "address", settings.Address?.ToString());
        WriteOptional(json, "addressV6", settings.AddressV6?.ToString());
        WriteOptional(json, "hardwareAddress", settings.HardwareAddress?.ToString());
        json.WriteString("interfaceName", settings.InterfaceName);
        WriteStrings(json, "aliases", settings.Aliases);
        WriteStrings(json, "ports", settings.Ports.Select(p => p.ToString()));
        WriteStrings(json, "nameServers", settings.NameServers.Select(s => s.ToString()));
        WriteStrings(json, "search", settings.SearchDomains);
        WriteStrings(json, "resolverOptions", settings.ResolverOptions);
        WriteStrings(json, "hosts", settings.Hosts.Select(h => h.ToString()));
        WriteOptional(json, "egress", settings.Egress?.ToString());
        WriteOptional(json, "egressRate", settings.RateLimit?.Egress?.ToString());
        WriteOptional(json, "ingressRate", settings.RateLimit?.Ingress?.ToString());
        json.WriteEndObject();
    }

    private static void WriteMounts(Utf8JsonWriter json, ContainerSpec spec)
    {
        json.WriteStartArray("mounts");
        foreach (Mount mount in spec.Mounts)
        {
            json.WriteStartObject();
            json.WriteString("type", mount.TypeName);
            WriteOptional(json, "source", mount switch
            {
                BindMount b => b.Source,
                DeviceMount d => d.Source,
                OverlayMount o => string.Join(':', o.LowerDirectories),
                _ => null
            });
            json.WriteString("destination", mount.Destination);
            json.WriteString("flags", mount.Flags.ToString());
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static string Stream(Stdio stdio) => stdio switch
    {
        NullStdio => "null",
        PipeStdio => "pipe",
        FileStdio file => (file.Append ? "append to " : "file ") + file.Path,
        HandleStdio => "descriptor",
        ContentStdio content => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{content.Content.Length} bytes"),
        SourceStdio or SinkStdio => "stream",
        WriterStdio => "writer",
        _ => "inherit",
    };

    private static void WriteStrings(Utf8JsonWriter json, string name, IEnumerable<string> values)
    {
        json.WriteStartArray(name);
        foreach (string value in values)
            json.WriteStringValue(value);
        json.WriteEndArray();
    }

    private static void WriteMap(Utf8JsonWriter json, string name, IEnumerable<KeyValuePair<string, string>> values)
    {
        json.WriteStartObject(name);
        foreach ((string key, string value) in values)
            json.WriteString(key, value);
        json.WriteEndObject();
    }

    private static void WriteOptional(Utf8JsonWriter json, string name, string? value)
    {
        if (value is not null)
            json.WriteString(name, value);
    }
}
