using System.Collections.Immutable;
using Isolation.Cgroups;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Containers;

internal sealed partial class SpecValidator
{
    /// <summary>The spec with something in the place of everything that is null or was never set, each of which is a fault: what is there
    /// is checked all the same.</summary>
    private static ContainerStart Complete(ContainerStart start, List<SpecFault> faults)
    {
        ContainerSpec spec = start.Spec;

        T Given<T>(T? value, string path, T substitute) where T : class
        {
            if (value is null)
                faults.Add(new SpecFault(path, "must not be null", null));
            return value ?? substitute;
        }

        ImmutableArray<T> Elements<T>(ImmutableArray<T> array, string path)
        {
            if (array.IsDefault || array.Any(e => e is null))
                faults.Add(new SpecFault(path, array.IsDefault ? "must not be null" : "must not have null in it", null));
            return array.IsDefault ? [] : [.. array.Where(e => e is not null)];
        }

        ImmutableSortedDictionary<string, string> Pairs(ImmutableSortedDictionary<string, string>? pairs, string path)
        {
            ImmutableSortedDictionary<string, string> given = Given(pairs, path, ImmutableSortedDictionary<string, string>.Empty);
            ImmutableArray<string> without = [.. given.Where(p => p.Value is null).Select(p => p.Key)];
            foreach (string key in without)
                faults.Add(new SpecFault(path, "must have values that are not null", Shown(key)));
            return given.RemoveRange(without);
        }

        NetworkSettings network = Given(spec.Network, "network", new NetworkSettings());
        ContainerUser user = Given(spec.User, "process.user", ContainerUser.Root);
        spec = spec with
        {
            Rootfs = Given(spec.Rootfs, "root", Rootfs.Host),
            Command = Elements(spec.Command, "process.args"),
            Environment = Pairs(spec.Environment, "process.env"),
            WorkingDirectory = Given(spec.WorkingDirectory, "process.cwd", "/"),
            User = user with { User = Given(user.User, "process.user.uid", "0") },
            AdditionalGroups = Elements(spec.AdditionalGroups, "process.user.additionalGids"),
            Rlimits = Elements(spec.Rlimits, "process.rlimits"),
            Sysctls = Pairs(spec.Sysctls, "linux.sysctl"),
            Security = Given(spec.Security, "security", new SecuritySettings()),
            Capabilities = Given(spec.Capabilities, "process.capabilities", ContainerDefaults.Capabilities),
            Mounts = Elements(spec.Mounts, "mounts"),
            MaskedPaths = Elements(spec.MaskedPaths, "linux.maskedPaths"),
            ReadOnlyPaths = Elements(spec.ReadOnlyPaths, "linux.readonlyPaths"),
            Namespaces = Given(spec.Namespaces, "linux.namespaces", new NamespaceSettings()),
            Resources = Given(spec.Resources, "linux.resources", CgroupSettings.None),
            DeviceRules = spec.DeviceRules is { } rules ? Elements(rules, "linux.resources.devices") : null,
            Network = network with
            {
                Ports = Elements(network.Ports, "network.ports"),
                Aliases = Elements(network.Aliases, "network.aliases"),
                NameServers = Elements(network.NameServers, "network.nameServers"),
                SearchDomains = Elements(network.SearchDomains, "network.search"),
                ResolverOptions = Elements(network.ResolverOptions, "network.resolverOptions"),
                Hosts = Elements(network.Hosts, "network.hosts"),
                InterfaceName = Given(network.InterfaceName, "network.interfaceName", new NetworkSettings().InterfaceName),
            },
        };
        return start with
        {
            Spec = spec,
            StandardInput = Given(start.StandardInput, "process.stdin", Stdio.Null),
            StandardOutput = Given(start.StandardOutput, "process.stdout", Stdio.Inherit),
            StandardError = Given(start.StandardError, "process.stderr", Stdio.Inherit),
            Descriptors = Elements(start.Descriptors, "process.descriptors"),
            Joined = Elements(start.Joined, "linux.namespaces"),
            Secrets = Elements(start.Secrets, "secrets"),
        };
    }
}
