using System.Collections.Immutable;
using System.Reflection;
using System.Runtime.InteropServices;
using Isolation.Cgroups;
using Isolation.Linux;
using Isolation.Namespaces;
using Isolation.Net.TrafficControl;
using Isolation.Security;

namespace Isolation.Containers.Tests;

/// <summary>A spec has one way to a plan, whoever made it; what is wrong with it is told at once, and null where it is given.</summary>
public class SpecTests
{
    private static readonly ContainerSpec s_spec = new() { Rootfs = Rootfs.Directory("/srv/root"), Command = ["/bin/app"] };

    [Fact]
    public void A_spec_that_no_builder_has_seen_is_checked_before_it_is_planned()
    {
        ContainerSpec spec = s_spec with
        {
            Sysctls = s_spec.Sysctls.Add("kernel.core_pattern", "|/tmp/evil"),
            OomScoreAdj = 99_999,
            WorkingDirectory = string.Concat(Enumerable.Repeat("/d", 3000)),
            CreateWorkingDirectory = true,
            MaskedPaths = [string.Concat(Enumerable.Repeat("/d", 3000))],
            Command = ["app", "\ud800"],
            Environment = s_spec.Environment.Add("PATH", "bin:."),
            AdditionalGroups = ["4294967295", "a:b"],
            Mounts =
            [
                new OverlayMount(["/a"], "/b") { UpperDirectory = "u", WorkDirectory = "w" }, new DevMount("/d") { ShmSize = new(0) },
                new BindMount(null!, "/c"),
            ],
            Security = new SecuritySettings { Seccomp = SeccompFilter.Strict, ReportDenials = true, AppArmorProfile = "p" },
            NoNewPrivileges = false,
        };
        SpecException direct = Assert.Throws<SpecException>(() => spec.Plan(PlanTests.Root));
        string[] paths = [.. direct.Faults.Select(f => f.Path).Distinct().Order(StringComparer.Ordinal)];
        Assert.Equal(
            [
                "linux.maskedPaths", "linux.seccomp", "linux.sysctl", "mounts[0].upper", "mounts[0].work",
                "mounts[1].shmSize", "mounts[2].source",
                "process.apparmorProfile", "process.args[1]", "process.cwd", "process.env", "process.noNewPrivileges",
                "process.oomScoreAdj",
                "process.user.additionalGids[0]", "process.user.additionalGids[1]",
            ], paths);
        SpecException built = Assert.Throws<SpecException>(() => new ContainerBuilder(spec).Build());
        Assert.Equal(direct.Faults, built.Faults);
    }

    [Fact]
    public void A_spec_with_nothing_in_it_has_faults_and_no_null_reference()
    {
        var empty = new ContainerStart { Spec = new ContainerSpec { Rootfs = null!, Command = default } };
        foreach (object part in new object[] { empty, empty.Spec })
        {
            foreach (PropertyInfo property in part.GetType().GetProperties().Where(p => p.CanWrite && p.Name != nameof(empty.Spec)))
            {
                bool isArray = property.PropertyType.Name.StartsWith("ImmutableArray", StringComparison.Ordinal);
                if (isArray || !property.PropertyType.IsValueType)
                    property.SetValue(part, isArray ? Activator.CreateInstance(property.PropertyType) : null);
            }
        }

        string[] paths = [.. Assert.Throws<SpecException>(() => empty.Plan(PlanTests.Root)).Faults.Select(f => f.Path)];
        string[] some = ["root", "process.args", "process.env", "process.cwd", "process.user", "mounts", "linux.namespaces", "network",
            "security", "process.stdin"];
        Assert.All(some, path => Assert.Contains(path, paths));
        ContainerSpec holes = s_spec with
        {
            Command = ["/bin/app", null!],
            Mounts = [null!],
            MaskedPaths = [null!],
            Rlimits = [null!],
            DeviceRules = [null!],
        };
        var start = new ContainerStart { Spec = holes, Descriptors = [null!], Joined = [null!], Secrets = [null!] };
        paths = [.. Assert.Throws<SpecException>(() => start.Plan(PlanTests.Root)).Faults.Select(f => f.Path)];
        Assert.Equal(["process.args", "process.rlimits", "mounts", "linux.maskedPaths", "linux.resources.devices", "process.descriptors",
            "linux.namespaces", "secrets"], paths);
    }

    [Fact]
    public void A_mounted_device_may_be_used_whichever_way_the_plan_was_made()
    {
        ContainerSpec spec = s_spec with { Mounts = s_spec.Mounts.Add(new DeviceMount("/dev/fuse", "/dev/fuse")) };
        string with = spec.Plan(PlanTests.Root).ToDetailedString(), without = s_spec.Plan(PlanTests.Root).ToDetailedString();
        Assert.Contains($"to {DeviceRule.DockerDefault.Length + 1} rules", with);
        Assert.Contains($"to {DeviceRule.DockerDefault.Length} rules", without);
    }

    public static TheoryData<string> Takers => [.. Members().Select(m => Show(m.Method) + ": " + m.Parameter.Name)];

    private static string Show(MethodInfo method) =>
        $"{method.DeclaringType!.Name}.{method.Name}({string.Join(", ", method.GetParameters().Select(p => p.ParameterType.Name))})";

    [Theory]
    [MemberData(nameof(Takers))]
    public void Null_is_refused_at_the_call(string name)
    {
        (MethodInfo method, ParameterInfo parameter) = Members().ElementAt(Takers.Select(t => t.Data).ToList().IndexOf(name));
        object?[] arguments = [.. method.GetParameters().Select(p => p == parameter ? null : Sample(p.ParameterType))];
        object? target = method.IsStatic ? null : new ContainerBuilder(Rootfs.Host);
        TargetInvocationException e = Assert.Throws<TargetInvocationException>(() => method.Invoke(target, arguments));
        ArgumentNullException missing = Assert.IsType<ArgumentNullException>(e.InnerException);
        Assert.Equal(parameter.Name, missing.ParamName);
    }

    /// <summary>Every parameter that may not be null: of the builder, of what makes its values,
    /// and of every parser of the library.</summary>
    private static IEnumerable<(MethodInfo Method, ParameterInfo Parameter)> Members()
    {
        Type[] oneOfEach = [typeof(ContainerBuilder), typeof(Cgroup), typeof(CapabilitySet), typeof(IdMap),
            typeof(Errno), typeof(BitRate)];
        Type[] all = [.. oneOfEach.SelectMany(t => t.Assembly.GetExportedTypes())];
        IEnumerable<MethodInfo> builder = new[] { typeof(ContainerBuilder), typeof(Rootfs), typeof(Stdio), typeof(ContainerUser) }
            .SelectMany(t => t.GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly))
            .Where(m => !m.IsSpecialName && m.GetBaseDefinition() == m && m.Name is not ("Equals" or "<Clone>$" or "PrintMembers"));
        IEnumerable<MethodInfo> parsers = all.SelectMany(t =>
            t.GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly))
            .Where(m => m.Name is "Parse" or "ParseName" && !m.IsGenericMethod && m.GetParameters() is [{ ParameterType: { } type }, ..]
                && type == typeof(string));
        var nullability = new NullabilityInfoContext();
        return builder.Concat(parsers).Distinct().SelectMany(m => m.GetParameters().Select(p => (m, p)))
            .Where(x => !x.p.ParameterType.IsValueType && !x.p.IsOptional && !x.p.IsOut
                && nullability.Create(x.p).WriteState != NullabilityState.Nullable);
    }

    private static object? Sample(Type type) => type == typeof(string) ? "a"
        : type == typeof(IEnumerable<string>) ? Array.Empty<string>()
        : type == typeof(IdMap) ? IdMap.Parse("0:1:2")
        : type == typeof(SeccompFilter) ? SeccompFilter.Default
        : type == typeof(SeccompHandler) ? (SeccompHandler)(_ => default)
        : type == typeof(SafeHandle) ? new Microsoft.Win32.SafeHandles.SafeFileHandle()
        : type.IsValueType ? Activator.CreateInstance(type) : null;
}
