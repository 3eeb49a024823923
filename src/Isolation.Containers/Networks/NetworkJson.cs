using System.Collections.Immutable;
using System.Net;
using System.Text;
using System.Text.Json;
using Isolation.Linux;

namespace Isolation.Containers;

/// <summary>Networks and leases as files.</summary>
internal static class NetworkJson
{
    private static readonly JsonWriterOptions s_options = new() { Indented = true };

    internal static string Write(BridgeNetwork network) => Write(json =>
    {
        json.WriteString("name", network.Name);
        json.WriteString("subnet", network.Subnet?.ToString());
        json.WriteString("subnetV6", network.SubnetV6?.ToString());
        json.WriteBoolean("ipv6", network.IPv6);
        json.WriteBoolean("internal", network.Internal);
        if (network.Mtu is { } mtu)
            json.WriteNumber("mtu", mtu);
        json.WriteString("link", network.LinkName);
        json.WriteString("gateway", network.Gateway?.ToString());
        json.WriteString("gatewayV6", network.GatewayV6?.ToString());
    });

    internal static BridgeNetwork ReadNetwork(string text,
        string path) => Read(text, path, root => new BridgeNetwork(Text(root, "name") ?? "")
        {
            Subnet = Text(root, "subnet") is { } subnet ? IPNetwork.Parse(subnet) : null,
            SubnetV6 = Text(root, "subnetV6") is { } v6 ? IPNetwork.Parse(v6) : null,
            IPv6 = root.GetProperty("ipv6").GetBoolean(),
            Internal = root.GetProperty("internal").GetBoolean(),
            Mtu = root.TryGetProperty("mtu", out JsonElement mtu) ? mtu.GetInt32() : null,
            Link = Text(root, "link"),
        });

    internal static string Write(NetworkLease lease) => Write(json =>
    {
        json.WriteString("network", lease.Network);
        json.WriteNumber("index", lease.Index);
        json.WriteString("id", lease.Id);
        json.WriteNumber("pid", lease.ProcessId);
        json.WriteNumber("startTime", lease.StartTime);
        json.WriteString("address", lease.Address.ToString());
        json.WriteString("addressV6", lease.AddressV6?.ToString());
        json.WriteString("link", lease.HostLink);
        json.WriteString("name", lease.Name);
        WriteAll(json, "names", lease.Names);
        WriteAll(json, "ports", lease.Ports.Select(p => p.ToString()));
        json.WriteString("hosts", lease.HostsHead);
        json.WriteBoolean("sharesHosts", lease.SharesHosts);
    });

    internal static NetworkLease ReadLease(string text, string path) => Read(text, path, root => new NetworkLease
    {
        Network = Text(root, "network") ?? "",
        Index = root.GetProperty("index").GetInt64(),
        Id = Text(root, "id") ?? "",
        ProcessId = root.GetProperty("pid").GetInt32(),
        StartTime = root.GetProperty("startTime").GetInt64(),
        Address = IPAddress.Parse(Text(root, "address") ?? ""),
        AddressV6 = Text(root, "addressV6") is { } v6 ? IPAddress.Parse(v6) : null,
        HostLink = Text(root, "link") ?? "",
        Name = Text(root, "name"),
        Names = [.. root.GetProperty("names").EnumerateArray().Select(n => n.GetString()!)],
        Ports = [.. root.GetProperty("ports").EnumerateArray().Select(p => PublishedPort.Parse(p.GetString()!))],
        HostsHead = Text(root, "hosts") ?? "",
        SharesHosts = root.TryGetProperty("sharesHosts", out JsonElement shares) && shares.GetBoolean(),
    });

    private static string? Text(JsonElement root, string name) =>
        root.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static void WriteAll(Utf8JsonWriter json, string name, IEnumerable<string> values)
    {
        json.WriteStartArray(name);
        foreach (string value in values)
            json.WriteStringValue(value);
        json.WriteEndArray();
    }

    private static string Write(Action<Utf8JsonWriter> content)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, s_options))
        {
            json.WriteStartObject();
            content(json);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.ToArray()) + "\n";
    }

    private static T Read<T>(string text, string path, Func<JsonElement, T> read)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            return read(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or FormatException
            or InvalidOperationException or ArgumentException)
        {
            throw new LinuxException("read", $"\"{path}\"", "read(2)", Errno.EBADMSG,
                remedy: $"The file is damaged: {e.Message.Split('\n')[0]} Delete it where nothing needs it.");
        }
    }
}
