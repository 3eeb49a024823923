using System.Collections.Immutable;
using System.Globalization;
using Isolation.Cgroups;
using Isolation.Containers;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Launcher;

/// <summary>What the flags of <c>run</c> say.</summary>
internal sealed record RunOptions
{
    /// <summary>Devices without letters of access, which are allowed whole also where there are rules.</summary>
    private ImmutableArray<DeviceRule> WholeDevices { get; init; } = [];

    private ImmutableArray<Func<ContainerBuilder, ContainerBuilder>> Configurations { get; init; } = [];

    internal string? Rootfs { get; init; }

    internal bool ReadOnly { get; init; }

    internal string HostName { get; init; } = "container";

    internal ImmutableArray<string> AddedCapabilities { get; init; } = [];

    internal ImmutableArray<string> DroppedCapabilities { get; init; } = [];

    internal bool Privileged { get; init; }

    internal SecurityOptions Security { get; init; } = new();

    internal NamespaceKinds SharedWithHost { get; init; }

    internal NetworkOptions Network { get; init; } = new();

    internal bool Terminal { get; init; }

    internal ResourceOptions Resources { get; init; } = new();

    internal ImmutableArray<DeviceRule> DeviceRules { get; init; } = [];

    internal bool Plan { get; init; }

    internal bool Times { get; init; }

    internal ImmutableArray<string> Command { get; init; } = [];

    /// <summary>Notes a change to the builder, and tries it at once, so that a bad value is told with its flag.</summary>
    internal RunOptions Configure(Func<ContainerBuilder, ContainerBuilder> configure)
    {
        configure(new ContainerBuilder(Containers.Rootfs.Host));
        return this with { Configurations = Configurations.Add(configure) };
    }

    internal RunOptions AddMount(Mount mount) => Configure(b => b.AddMount(mount));

    /// <summary>Makes a device visible, and lets it be used.</summary>
    internal RunOptions AddDevice(string text)
    {
        string[] parts = text.Split(':');
        bool hasAccess = parts.Length > 1 && !parts[^1].StartsWith('/');
        string[] paths = hasAccess ? parts[..^1] : parts;
        if (paths.Length is < 1 or > 2 || !paths.All(p => p.StartsWith('/')))
            throw new FormatException($"\"{text}\" is not SRC, SRC:DST or SRC:DST:rwm.");
        DeviceAccess access = hasAccess ? DeviceRule.ParseAccess(parts[^1]) : DeviceAccess.All;
        RunOptions options = AddMount(new DeviceMount(paths[0], paths[^1]));
        // All of it is what the library allows by itself; one that is not there is told by the launch, with its step.
        if (!Path.Exists(paths[0]))
            return options;
        return hasAccess ? options with { DeviceRules = DeviceRules.Add(DeviceRule.Of(paths[0], access)) } : options with { WholeDevices = WholeDevices.Add(DeviceRule.Of(paths[0])) };
    }

    internal RunOptions WithNamespace(NamespaceKinds kind, string text)
    {
        if (text is "none" or "private")
            return this;
        if (text == "host")
            return this with { SharedWithHost = SharedWithHost | kind };
        const string Container = "container:";
        return text.StartsWith(Container, StringComparison.Ordinal) && int.TryParse(text[Container.Length..], NumberStyles.None, CultureInfo.InvariantCulture, out int id) && id > 0
            ? Configure(b => b.AddJoinedNamespaces(kind, id))
            : throw new FormatException($"\"{text}\" is not host, none or container:PID.");
    }

    internal ContainerBuilder ToBuilder(HostFacts facts)
    {
        if (Command.IsEmpty)
            throw new UsageException("run needs a command.");
        ContainerBuilder builder = new ContainerBuilder(ChooseRootfs(out bool writesThrough));
        builder = (Privileged ? builder.WithPrivileged() : builder)
            .WithCommand(Command[0], Command.Skip(1))
            .WithReadOnlyRoot(ReadOnly)
            .WithNamespacesSharedWithHost(Network.SharedWithHost ? SharedWithHost | NamespaceKinds.Net : SharedWithHost)
            .WithCapabilities(ChooseCapabilities(facts))
            .WithNoNewPrivileges(Security.NoNewPrivileges ?? !Privileged)
            .WithTerminal(Terminal)
            .WithStepTimes(Times);
        builder = Security.Apply(builder, Privileged, ChooseCapabilities(facts));
        if (!SharedWithHost.HasFlag(NamespaceKinds.Uts))
            builder = builder.WithHostName(HostName);
        if (!Terminal)
            builder = builder.WithStandardInput(Stdio.Inherit);
        foreach (CgroupSetting setting in Resources.ToSettings())
            builder = builder.With(setting);
        // Docker's list and what the flags add; the library adds the devices that are mounted only where nothing is said of rules.
        if (!Privileged && !DeviceRules.IsEmpty)
            builder = builder.WithDeviceRules(DeviceRule.DockerDefault.Concat(WholeDevices).Concat(DeviceRules));
        // With a single id, directories of other owners cannot be copied up: the usual writable places are in memory.
        if (!facts.IsPrivileged && !writesThrough && !ReadOnly)
            builder = new[] { "/tmp", "/var/tmp", "/run" }.Aggregate(builder, (b, d) => b.AddMount(new TmpfsMount(d)));
        return Network.Apply(Configurations.Aggregate(builder, (b, configure) => configure(b)));
    }

    private Rootfs ChooseRootfs(out bool writesThrough)
    {
        writesThrough = Rootfs is not null && Rootfs.EndsWith(":rw", StringComparison.Ordinal);
        if (Rootfs is null)
            return Containers.Rootfs.Host;
        return writesThrough ? Containers.Rootfs.Directory(Path.GetFullPath(Rootfs[..^3])) : Containers.Rootfs.Overlay(Path.GetFullPath(Rootfs));
    }

    private CapabilitySet ChooseCapabilities(HostFacts facts)
    {
        CapabilitySet all = facts.IsPrivileged ? facts.KnownCapabilities.Intersect(facts.Capabilities) : facts.KnownCapabilities;
        CapabilitySet set = Privileged ? all : CapabilitySet.DockerDefault;
        if (DroppedCapabilities.Any(IsAll))
            set = CapabilitySet.None;
        if (AddedCapabilities.Any(IsAll))
            set = all;
        foreach (string name in DroppedCapabilities.Where(n => !IsAll(n)))
            set = set.Remove(Parse("--cap-drop", name));
        foreach (string name in AddedCapabilities.Where(n => !IsAll(n)))
            set = set.Add(Parse("--cap-add", name));
        return set;
    }

    private static bool IsAll(string name) => string.Equals(name, "ALL", StringComparison.OrdinalIgnoreCase);

    private static Capability Parse(string flag, string name)
    {
        try
        {
            return CapabilitySet.ParseName(name);
        }
        catch (FormatException e)
        {
            throw new UsageException($"The flag {flag}: {e.Message}");
        }
    }
}
