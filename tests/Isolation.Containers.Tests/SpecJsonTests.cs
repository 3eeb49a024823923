using System.Collections;
using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Reflection;
using System.Text.Json.Nodes;
using Isolation.Cgroups;
using Isolation.Linux;
using Isolation.Namespaces;
using Isolation.Net.TrafficControl;
using Isolation.Security;

namespace Isolation.Containers.Tests;

/// <summary>Two specs that ask for different things are different, print differently, and come back from their JSON as they were:
/// whichever property differs, of the spec and of all that it consists of.</summary>
public class SpecJsonTests
{
    private static readonly ContainerSpec s_spec = new() { Rootfs = Rootfs.Directory("/srv/root"), Command = ["/bin/app", "-v"] };

    // The root of every value whose properties are changed, and how it is put into a spec.
    private static readonly (object Value, Func<object, ContainerSpec> Put)[] s_parts =
    [
        (s_spec, v => (ContainerSpec)v),
        (new SecuritySettings { Seccomp = SeccompFilter.Strict, Landlock = LandlockRuleset.Everything },
            v => s_spec with { Security = (SecuritySettings)v }),
        (new Scheduling(SchedulingPolicy.Fifo) { Priority = 3 }, v => s_spec with { Security = new() { Scheduling = (Scheduling)v } }),
        (new NamespaceSettings(), v => s_spec with { Namespaces = (NamespaceSettings)v }),
        (new NetworkSettings(), v => s_spec with { Network = (NetworkSettings)v }),
        (new RateLimit { Egress = BitRate.FromMegabits(1) }, v => s_spec with { Network = new() { RateLimit = (RateLimit)v } }),
        (new PublishedPort(80, 8080), v => s_spec with { Network = new() { Ports = [(PublishedPort)v] } }),
        (new EgressRule { Port = 53, Protocol = PortProtocol.Udp },
            v => s_spec with { Network = new() { Egress = new EgressPolicy { Rules = [(EgressRule)v] } } }),
        (new BridgeNetwork("web"), v => s_spec with { Network = new() { Network = (ContainerNetwork)v } }),
        (new ParentLinkNetwork("eth0", "10.0.0.2/24"), v => s_spec with { Network = new() { Network = (ContainerNetwork)v } }),
        (new MovedLinkNetwork("eth1"), v => s_spec with { Network = new() { Network = (ContainerNetwork)v } }),
        (new UserModeNetwork(), v => s_spec with { Network = new() { Network = (ContainerNetwork)v } }),
        (new DirectoryRootfs("/r"), v => s_spec with { Rootfs = (Rootfs)v }),
        (new OverlayRootfs(["/a", "/b"]), v => s_spec with { Rootfs = (Rootfs)v }),
        .. new Mount[]
        {
            new BindMount("/s", "/d"), new Cgroup2Mount(), new DevMount(), new DeviceMount("/dev/fuse", "/dev/fuse"), new DevptsMount(),
            new FileMount("/f", [1, 2]), new MqueueMount(), new OverlayMount(["/a"], "/o"), new ProcMount(), new SysfsMount(),
            new TmpfsMount("/t"),
        }.Select(m => ((object)m, (Func<object, ContainerSpec>)(v => s_spec with { Mounts = [(Mount)v] }))),
    ];

    public static TheoryData<string> Properties =>
        [.. s_parts.SelectMany(p => Settable(p.Value).Select(x => $"{p.Value.GetType().Name}.{x.Name}"))];

    private static IEnumerable<PropertyInfo> Settable(object value) =>
        value.GetType().GetProperties().Where(p => p.SetMethod?.IsPublic == true);

    [Theory]
    [MemberData(nameof(Properties))]
    public void A_changed_property_makes_another_spec_and_survives_its_json(string name)
    {
        (object value, Func<object, ContainerSpec> put) = s_parts.First(p => p.Value.GetType().Name == name.Split('.')[0]);
        PropertyInfo property = value.GetType().GetProperty(name.Split('.')[1])!;
        object changed = value.GetType().GetMethod("<Clone>$")!.Invoke(value, null)!;
        property.SetValue(changed, Other(property.PropertyType, property.GetValue(value)));
        ContainerSpec before = put(value), after = put(changed);

        Assert.NotEqual(before, after);
        Assert.NotEqual(before.ToJson(), after.ToJson());
        ImmutableArray<SpecChange> changes = before.Diff(after);
        Assert.NotEmpty(changes);
        string written = char.ToLowerInvariant(property.Name[0]) + property.Name[1..];
        Assert.True(changes.Any(c => c.Path.Contains(written, StringComparison.OrdinalIgnoreCase)), string.Join('\n', changes));
        foreach (ContainerSpec spec in new[] { before, after })
        {
            ContainerSpec read = ContainerSpec.Parse(spec.ToJson());
            Assert.Equal(spec.ToJson(), read.ToJson());
            Assert.Equal((spec, spec.GetHashCode()), (read, read.GetHashCode()));
            Assert.Empty(spec.Diff(read));
        }
    }

    [Fact]
    public void Every_kind_of_mount_root_and_network_has_its_properties_changed_here()
    {
        foreach (Type kind in new[] { typeof(Mount), typeof(Rootfs), typeof(ContainerNetwork) })
        {
            Type[] kinds = [.. kind.Assembly.GetExportedTypes().Where(t => t.IsSubclassOf(kind))];
            Assert.All(kinds.Where(t => t.GetProperties().Any(p => p.SetMethod is not null)),
                t => Assert.Contains(s_parts, p => p.Value.GetType() == t));
            Assert.All(kinds, t => Assert.Contains(kind.GetCustomAttributesData(),
                a => a.ConstructorArguments is [{ Value: Type derived }, _] && derived == t));
        }
    }

    [Fact]
    public void What_may_be_a_secret_is_compared_but_not_printed()
    {
        ContainerStart start = new ContainerBuilder(Rootfs.Host).WithCommand("/bin/app").AddEnvironment("TOKEN", "hush-1")
            .AddMount(new FileMount("/etc/key", [.. "hush-2"u8])).AddSecret("password", "hush-3").Build();
        ContainerSpec other = start.Spec with { Environment = start.Spec.Environment.SetItem("TOKEN", "hush-4") };
        SpecChange change = Assert.Single(start.Spec.Diff(other));
        Assert.Equal(("environment.TOKEN", "\"***\"", "\"***\""), (change.Path, change.Before, change.After));
        LaunchPlan plan = start.Plan(PlanTests.Root);
        string base64 = Convert.ToBase64String("hush-2"u8);
        string[] printed = [start.ToString(), start.Spec.ToString(), plan.ToString(), plan.ToDetailedString(),
            string.Join("", start.Spec.Diff(other)), string.Join("", start.Secrets)];
        Assert.All(printed, text => Assert.DoesNotContain("hush", text));
        Assert.All(printed, text => Assert.DoesNotContain(base64, text));
        Assert.Contains("TOKEN", start.Spec.ToString());
        Assert.Contains("hush-1", start.Spec.ToJson());
        Assert.DoesNotContain("hush-3", start.Spec.ToJson());
        Assert.Contains("/run/secrets/password", plan.ToString());
    }

    [Theory]
    [InlineData("", "no JSON|JSON token")]
    [InlineData("[]", "no JSON object")]
    [InlineData("{}", "version is missing, and this library reads 1")]
    [InlineData("""{"version": 2}""", "version is 2, and this library reads 1")]
    [InlineData("""{"version": 1}""", "missing required properties.*'command'")]
    public void A_text_that_is_no_spec_is_refused(string text, string told) =>
        Assert.Matches(told, Assert.Throws<FormatException>(() => ContainerSpec.Parse(text)).Message);

    [Theory]
    [InlineData("\"noNewPrivileges\": true,", "", "noNewPrivileges")]
    [InlineData("\"noNewPrivileges\": true,", "\"noNewPrivileges\": null,", "noNewPrivileges")]
    [InlineData("\"noNewPrivileges\": true,", "\"noNewPrivilege\": true, \"noNewPrivileges\": true,", "noNewPrivilege")]
    [InlineData("\"type\": \"proc\"", "\"type\": \"procfs\"", "procfs")]
    [InlineData("\"flags\": \"NoSuid, NoDev, NoExec\"", "\"flags\": \"NoSuit\"", "flags")]
    [InlineData("\"rlimits\": []", "\"rlimits\": [\"nofiles=1\"]", "nofiles")]
    public void What_is_wrong_in_a_text_is_named(string from, string to, string told)
    {
        string json = s_spec.ToJson();
        Assert.Contains(from, json);
        string changed = json.Replace(from, to, StringComparison.Ordinal);
        Assert.Contains(told, Assert.Throws<FormatException>(() => ContainerSpec.Parse(changed)).Message);
    }

    /// <summary>Each value of a whole spec, in the place of which another stands.</summary>
    [Theory]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("[null]")]
    [InlineData("\"\"")]
    [InlineData("\"x\\u0000\"")]
    [InlineData("-1")]
    [InlineData("1e400")]
    [InlineData("true")]
    public void A_value_of_another_kind_is_refused_or_makes_a_spec_that_can_be_written(string other)
    {
        ContainerSpec whole = s_parts.Aggregate(s_spec, (spec, part) => part.Value switch
        {
            SecuritySettings security => spec with { Security = security },
            Mount mount => spec with { Mounts = spec.Mounts.Add(mount) },
            BridgeNetwork network => spec with { Network = new() { Network = network, Ports = [new PublishedPort(80, 8080)] } },
            _ => spec,
        });
        int places = Places(JsonNode.Parse(whole.ToJson())!).Count();
        Assert.InRange(places, 150, 10_000);
        int refused = 0;
        for (int i = 0; i < places; i++)
        {
            JsonNode json = JsonNode.Parse(whole.ToJson())!;
            Places(json).ElementAt(i).ReplaceWith(JsonNode.Parse(other));
            try
            {
                ContainerSpec read = ContainerSpec.Parse(json.ToJsonString());
                Assert.NotEmpty(read.ToJson());
                _ = SpecValidator.Check(new ContainerStart { Spec = read });
            }
            catch (FormatException)
            {
                refused++;
            }
        }

        Assert.InRange(refused, places / 3, places);
    }

    private static IEnumerable<JsonNode> Places(JsonNode node)
    {
        IEnumerable<JsonNode?> children = node is JsonObject o ? o.Select(p => p.Value) : node is JsonArray a ? a : [];
        return children.OfType<JsonNode>().ToArray().SelectMany(c => Places(c).Prepend(c));
    }

    [Fact]
    public void The_culture_changes_nothing()
    {
        CultureInfo culture = CultureInfo.CurrentCulture;
        string json = s_spec.ToJson();
        try
        {
            CultureInfo.CurrentCulture = new CultureInfo("") { NumberFormat = { NegativeSign = "~", NumberDecimalSeparator = "," } };
            ContainerSpec spec = s_spec with { OomScoreAdj = -5 };
            Assert.Contains("\"oomScoreAdj\": -5", spec.ToJson());
            Assert.Equal(spec, ContainerSpec.Parse(spec.ToJson()));
            Assert.Equal(json, s_spec.ToJson());
        }
        finally
        {
            CultureInfo.CurrentCulture = culture;
        }
    }

    /// <summary>A value of a type that differs from another.</summary>
    private static object? Other(Type type, object? value)
    {
        Type plain = Nullable.GetUnderlyingType(type) ?? type;
        if (s_samples.TryGetValue(plain, out object[]? samples))
            return samples.First(s => !Same(s, value));
        if (plain == typeof(bool))
            return value is not true;
        if (plain.IsEnum)
            return Enum.GetValues(plain).Cast<object>().First(v => !v.Equals(value));
        if (plain == typeof(int) || plain == typeof(long) || plain == typeof(uint) || plain == typeof(ushort))
            return Convert.ChangeType(Convert.ToInt64(value ?? 0, CultureInfo.InvariantCulture) + 7, plain, CultureInfo.InvariantCulture);
        throw new NotSupportedException($"A sample of {type} is missing.");
    }

    private static bool Same(object sample, object? value) => value is not null && (sample.Equals(value)
        || (sample is IEnumerable some && value is IEnumerable others && some.Cast<object>().SequenceEqual(others.Cast<object>())));

    private static readonly Dictionary<Type, object[]> s_samples = new()
    {
        [typeof(string)] = ["/other", "/another"],
        [typeof(Rootfs)] = [Rootfs.Host],
        [typeof(ImmutableArray<string>)] = [ImmutableArray.Create("/one", "two")],
        [typeof(ImmutableSortedDictionary<string, string>)] =
            [ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal).Add("a", "1").Add("B", "2")],
        [typeof(ContainerUser)] = [new ContainerUser("www", "daemon"), new ContainerUser("1")],
        [typeof(UnixFileMode)] = [UnixFileMode.UserRead, UnixFileMode.StickyBit | UnixFileMode.OtherWrite],
        [typeof(ImmutableArray<Rlimit>)] = [ImmutableArray.Create(new Rlimit(RlimitResource.Nofile, 10, 20))],
        [typeof(SecuritySettings)] = [new SecuritySettings { DenyWriteExecute = true }],
        [typeof(CapabilityState)] = [CapabilityState.Of(CapabilitySet.Of(Capability.Kill)) with { Bounding = CapabilitySet.DockerDefault }],
        [typeof(ImmutableArray<Mount>)] = [ImmutableArray.Create<Mount>(new TmpfsMount("/t"))],
        [typeof(NamespaceSettings)] = [new NamespaceSettings { LoopbackUp = false }],
        [typeof(CgroupSettings)] =
            [CgroupSettings.None.WithMemoryMax(ByteSize.FromMebibytes(1)).With(new CgroupSetting("io.max", "8:0 rbps=1"))
                .With(new CgroupSetting("io.max", "8:16 rbps=1"))],
        [typeof(ImmutableArray<DeviceRule>)] = [ImmutableArray.Create(DeviceRule.Parse("c 1:3 rw"), DeviceRule.Parse("b *:* m"))],
        [typeof(NetworkSettings)] = [new NetworkSettings { InterfaceName = "lan" }],
        [typeof(ByteSize)] = [new ByteSize(4096), ByteSize.Max],
        [typeof(TimeSpan)] = [TimeSpan.FromMilliseconds(1500)],
        [typeof(SeccompFilter)] = [SeccompFilter.Default],
        [typeof(LandlockRuleset)] =
            [LandlockRuleset.Everything.Allow(LandlockFileAccess.Read, "/usr").Allow(LandlockNetAccess.ConnectTcp, 443)
                .WithLogging(Enum.GetValues<LandlockLogging>()[^1])],
        [typeof(SELinuxContext)] = [SELinuxContext.Parse("a:b:c:s0:c1")],
        [typeof(Scheduling)] = [new Scheduling(SchedulingPolicy.Batch) { Nice = 5 }],
        [typeof(IoPriority)] = [new IoPriority(IoPriorityClass.Idle, 0)],
        [typeof(CpuAffinity)] = [CpuAffinity.Of(0, 2, 3)],
        [typeof(IdMap)] = [new IdMap(new IdMapRange(0, 1000, 1), new IdMapRange(1, 100_000, 65_535))],
        [typeof(TimeOffsets)] = [new TimeOffsets(TimeSpan.FromSeconds(1.5), TimeSpan.FromDays(-1))],
        [typeof(ContainerNetwork)] = [new BridgeNetwork("web") { Subnet = IPNetwork.Parse("10.0.0.0/24") }],
        [typeof(IPAddress)] = [IPAddress.Parse("10.0.0.7"), IPAddress.Parse("fd00::7")],
        [typeof(IPNetwork)] = [IPNetwork.Parse("10.1.0.0/16")],
        [typeof(PhysicalAddress)] = [PhysicalAddress.Parse("02-00-00-00-00-01")],
        [typeof(ImmutableArray<PublishedPort>)] = [ImmutableArray.Create(PublishedPort.Parse("127.0.0.1:80-81:8080-8081/udp"))],
        [typeof(ImmutableArray<IPAddress>)] = [ImmutableArray.Create(IPAddress.Parse("192.0.2.1"), IPAddress.Parse("2001:db8::1"))],
        [typeof(ImmutableArray<HostEntry>)] = [ImmutableArray.Create(new HostEntry("db", IPAddress.Parse("10.0.0.3")))],
        [typeof(EgressPolicy)] = [EgressPolicy.DenyAll.Allow("example.net:443/tcp").Allow("10.0.0.0/8")],
        [typeof(RateLimit)] = [new RateLimit { Egress = BitRate.FromMegabits(3), Ingress = BitRate.FromMegabits(4) }],
        [typeof(BitRate)] = [BitRate.FromMegabits(9)],
        [typeof(ImmutableArray<EgressRule>)] = [ImmutableArray.Create(EgressRule.Parse("10.0.0.0/8"))],
        [typeof(ImmutableArray<byte>)] = [ImmutableArray.Create<byte>(7, 8, 9)],
    };
}
