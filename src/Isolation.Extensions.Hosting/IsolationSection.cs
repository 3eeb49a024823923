using Isolation.Cgroups;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Namespaces;
using Isolation.Security;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace Isolation.Extensions.Hosting;

/// <summary>Reads the options from a section of the configuration.</summary>
internal sealed class IsolationSection(IConfiguration configuration) : IConfigureOptions<IsolationOptions>
{
    internal const string Sandboxes = "Sandboxes", Services = "Services";

    public void Configure(IsolationOptions options)
    {
        foreach (IConfigurationSection child in configuration.GetChildren()
            .Where(c => !Is(c, Sandboxes) && !Is(c, Services)))
            options.Faults.Add($"{child.Path} is unknown. Known keys are: {Sandboxes}, {Services}.");
        foreach (IConfigurationSection section in configuration.GetSection(Sandboxes).GetChildren())
        {
            var reader = new SectionReader(section, options.Faults);
            Read(reader, options.Sandbox(section.Key));
            reader.End();
        }

        foreach (IConfigurationSection section in configuration.GetSection(Services).GetChildren())
        {
            var reader = new SectionReader(section, options.Faults);
            Read(reader, options.Service(section.Key));
            reader.End();
        }
    }

    private static bool Is(IConfigurationSection section, string key) => section.Key.Equals(key, StringComparison.OrdinalIgnoreCase);

    private static void Read(SectionReader reader, SandboxDefinition definition)
    {
        definition.Section = reader.Path;
        var layers = new List<string>();
        reader.List(nameof(definition.Rootfs), layers.Add);
        definition.Rootfs = layers switch
        {
            [] => definition.Rootfs,
            ["host"] => Rootfs.Host,
            [var one] => Rootfs.Directory(one),
            _ => Rootfs.Overlay(layers),
        };
        ReadAll(reader, nameof(definition.Command), definition.Command, v => v);
        reader.Pairs(nameof(definition.Environment), (name, value) => definition.Environment[name] = value);
        reader.Text(nameof(definition.WorkingDirectory), v => definition.WorkingDirectory = v);
        reader.Text(nameof(definition.User), v => definition.User = v);
        reader.Text(nameof(definition.HostName), v => definition.HostName = v);
        reader.Text(nameof(definition.Name), v => definition.Name = v);
        reader.Switch(nameof(definition.ReadOnlyRoot), v => definition.ReadOnlyRoot = v);
        reader.Switch(nameof(definition.AllowNewPrivileges), v => definition.AllowNewPrivileges = v);
        CapabilitySet? capabilities = null;
        reader.List(nameof(definition.Capabilities),
            v => capabilities = (capabilities ?? CapabilitySet.None).Union(CapabilitySet.Parse(v)));
        definition.Capabilities = capabilities ?? definition.Capabilities;
        reader.Sections(nameof(definition.Mounts), mount => ReadMount(mount, definition.Mounts));
        ReadLimits(reader, definition);
        reader.Text(nameof(definition.Network), v => SetNetwork(v, definition));
        ReadAll(reader, nameof(definition.Ports), definition.Ports, PublishedPort.Parse);
    }

    /// <summary>A list that is there takes the place of what code has put in it before.</summary>
    private static void ReadAll<T>(SectionReader reader, string key, IList<T> list, Func<string, T> parse)
    {
        var read = new List<T>();
        reader.List(key, v => read.Add(parse(v)));
        if (read.Count == 0)
            return;
        list.Clear();
        read.ForEach(list.Add);
    }

    private static void ReadLimits(SectionReader reader, SandboxDefinition definition)
    {
        reader.Text(nameof(definition.MemoryMax), v => definition.MemoryMax = ByteSize.Parse(v));
        reader.Text(nameof(definition.MemorySwapMax), v => definition.MemorySwapMax = ByteSize.Parse(v));
        reader.Text(nameof(definition.PidsMax), v => definition.PidsMax = CgroupLimit.Parse(v));
        reader.Number(nameof(definition.Cpus), v => definition.Cpus = v);
        reader.Time(nameof(definition.CpuTimeMax), v => definition.CpuTimeMax = v);
        reader.Text(nameof(definition.OutputMax), v => definition.OutputMax = ByteSize.Parse(v));
        reader.Time(nameof(definition.Timeout), v => definition.Timeout = v);
    }

    private static void SetNetwork(string text, SandboxDefinition definition)
    {
        definition.SharesHostNetwork = text == "host";
        definition.Network = text switch
        {
            "none" or "host" => null,
            "user-mode" => ContainerNetwork.UserMode,
            _ => new BridgeNetwork(text),
        };
    }

    private static void ReadMount(SectionReader reader, IList<Mount> mounts)
    {
        string? source = null, destination = null;
        bool? readOnly = null;
        ByteSize? size = null;
        reader.Text("Source", v => source = v);
        reader.Text("Destination", v => destination = v);
        reader.Switch("ReadOnly", v => readOnly = v);
        reader.Text("Size", v => size = ByteSize.Parse(v));
        if (destination is null)
            throw new FormatException("Destination is missing.");
        if (source is not null && size is not null)
            throw new FormatException("Size is for a tmpfs, which has no Source.");
        bool isReadOnly = readOnly ?? source is not null;
        mounts.Add(source is null
            ? new TmpfsMount(destination, Flags(isReadOnly)) { Size = size }
            : new BindMount(source, destination, Flags(isReadOnly)));
    }

    private static MountFlags Flags(bool readOnly) =>
        MountFlags.NoSuid | MountFlags.NoDev | (readOnly ? MountFlags.ReadOnly : MountFlags.None);

    private static void Read(SectionReader reader, ContainerServiceOptions service)
    {
        service.Section = reader.Path;
        reader.Text(nameof(service.Sandbox), v => service.Sandbox = v);
        reader.Text(nameof(service.Restart), v => service.Restart = Enum.TryParse(v, ignoreCase: true, out RestartPolicy policy)
            && Enum.IsDefined(policy) && !char.IsAsciiDigit(v[0]) ? policy
            : throw new FormatException($"\"{v}\" is none of {string.Join(", ", Enum.GetNames<RestartPolicy>())}."));
        reader.Time(nameof(service.MinimumDelay), v => service.MinimumDelay = v);
        reader.Time(nameof(service.MaximumDelay), v => service.MaximumDelay = v);
        reader.Time(nameof(service.HealthyAfter), v => service.HealthyAfter = v);
        reader.Count(nameof(service.MaximumRestarts), v => service.MaximumRestarts = v);
        reader.Time(nameof(service.StopGrace), v => service.StopGrace = v);
        reader.Switch(nameof(service.StopsHost), v => service.StopsHost = v);
    }
}
