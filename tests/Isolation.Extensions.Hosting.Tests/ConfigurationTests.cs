using System.Text;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Namespaces;
using Isolation.Security;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Isolation.Extensions.Hosting.Tests;

/// <summary>Definitions from configuration: what is read, and that every wrong key is named.</summary>
public class ConfigurationTests
{
    private const string Judge = """
        { "Isolation": { "Sandboxes": { "judge": {
            "Rootfs": ["/srv/top", "/srv/base"], "Command": ["/bin/run", "--fast", "a b"],
            "Environment": { "TOKEN": "secret", "lower": "x" }, "WorkingDirectory": "/work", "User": "1000:100", "HostName": "judge",
            "Name": "judge-1", "ReadOnlyRoot": false, "AllowNewPrivileges": true, "Capabilities": ["NET_RAW", "cap_kill"],
            "Mounts": [ { "Source": "/srv/in", "Destination": "/in" }, { "Destination": "/tmp", "Size": "16MiB" } ],
            "MemoryMax": "256MiB", "MemorySwapMax": "0", "PidsMax": "64", "Cpus": "0.5", "CpuTimeMax": "00:00:10",
            "Timeout": "00:00:30", "Network": "judges", "Ports": ["127.0.0.1:8080:80"]
        } }, "Services": { "web": { "Sandbox": "judge", "Restart": "always", "MaximumDelay": "00:00:05", "MaximumRestarts": 7,
            "StopGrace": "00:00:02", "StopsHost": true } } } }
        """;

    [Fact]
    public void Every_key_reaches_the_spec()
    {
        using ServiceProvider provider = Provider(Judge);
        ContainerSpec spec = provider.GetRequiredService<ISandboxFactory>().CreateBuilder("Judge").Build().Spec;
        Assert.Equal(Rootfs.Overlay("/srv/top", "/srv/base"), spec.Rootfs);
        Assert.Equal(["/bin/run", "--fast", "a b"], spec.Command);
        Assert.Equal([new("TOKEN", "secret"), new("lower", "x")], spec.Environment);
        Assert.Equal(("/work", "1000:100", "judge", "judge-1"), (spec.WorkingDirectory, spec.User.ToString(), spec.HostName, spec.Name));
        Assert.Equal((false, false), (spec.ReadOnlyRoot, spec.NoNewPrivileges));
        Assert.Equal(CapabilitySet.Of(Capability.NetRaw, Capability.Kill), spec.Capabilities.Bounding);
        Assert.Equal([new BindMount("/srv/in", "/in", MountFlags.NoSuid | MountFlags.NoDev | MountFlags.ReadOnly),
            new TmpfsMount("/tmp", MountFlags.NoSuid | MountFlags.NoDev) { Size = ByteSize.FromMebibytes(16) }], spec.Mounts[^2..]);
        Assert.Equal(("268435456", "0", "64", "50000 100000"), (spec.Resources["memory.max"], spec.Resources["memory.swap.max"],
            spec.Resources["pids.max"], spec.Resources["cpu.max"]));
        Assert.Equal((TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(30)), (spec.CpuTimeMax, spec.Timeout));
        Assert.Equal("judges", Assert.IsType<BridgeNetwork>(spec.Network.Network).Name);
        Assert.Equal("127.0.0.1:8080:80", Assert.Single(spec.Network.Ports).ToString().Replace("/tcp", ""));
        ContainerServiceOptions web = provider.GetRequiredService<IOptions<IsolationOptions>>().Value.Services["web"];
        Assert.Equal((RestartPolicy.Always, TimeSpan.FromSeconds(5), 7, TimeSpan.FromSeconds(2), true),
            (web.Restart, web.MaximumDelay, web.MaximumRestarts, web.StopGrace, web.StopsHost));
    }

    [Theory]
    [InlineData("""{"Sandboxes":{"a":{"Rootfs":"host","Command":"/b","MemoryMx":"1m"}}}""",
        "Isolation:Sandboxes:a:MemoryMx is unknown. Is MemoryMax meant?")]
    [InlineData("""{"Sandboxes":{"a":{"Rootfs":"host","Command":"/b","Colour":"red"}}}""",
        "Isolation:Sandboxes:a:Colour is unknown. Known keys are: AllowNewPrivileges, Capabilities, Command,")]
    [InlineData("""{"Sandbox":{}, "Sandboxes":{"a":{"Rootfs":"host","Command":"/b"}},"Sandboxs":{"a":"b"}}""",
        "Isolation:Sandboxs is unknown. Known keys are: Sandboxes, Services.")]
    [InlineData("""{"Sandboxes":{"a":{"Rootfs":"host","Command":"/b","MemoryMax":"lots"}}}""",
        "Isolation:Sandboxes:a:MemoryMax: \"lots\" is not a size")]
    [InlineData("""{"Sandboxes":{"a":{"Rootfs":"host","Command":"/b","PidsMax":"-1"}}}""",
        "Isolation:Sandboxes:a:PidsMax: \"-1\" is neither a number nor max.")]
    [InlineData("""{"Sandboxes":{"a":{"Rootfs":"host","Command":"/b","Timeout":"30s"}}}""",
        "Isolation:Sandboxes:a:Timeout: \"30s\" is no time such as 00:00:30.")]
    [InlineData("""{"Sandboxes":{"a":{"Rootfs":"host","Command":"/b","Timeout":"-00:00:01"}}}""",
        "Isolation:Sandboxes:a:Timeout must be longer than zero")]
    [InlineData("""{"Sandboxes":{"a":{"Rootfs":"host","Command":"/b","ReadOnlyRoot":"yes"}}}""",
        "Isolation:Sandboxes:a:ReadOnlyRoot: \"yes\" is neither true nor false.")]
    [InlineData("""{"Sandboxes":{"a":{"Rootfs":"host","Command":"/b","Capabilities":["NET_RAW","FLY"]}}}""",
        "Isolation:Sandboxes:a:Capabilities:1: \"FLY\" is not a capability")]
    [InlineData("""{"Sandboxes":{"a":{"Rootfs":"host","Command":"/b","Mounts":[{"Source":"/x"}]}}}""",
        "Isolation:Sandboxes:a:Mounts:0: Destination is missing.")]
    [InlineData("""{"Sandboxes":{"a":{"Rootfs":"host","Command":"/b","Mounts":[{"Destination":"/x","Sizes":"1m"}]}}}""",
        "Isolation:Sandboxes:a:Mounts:0:Sizes is unknown. Is Size meant?")]
    [InlineData("""{"Sandboxes":{"a":{"Rootfs":"relative","Command":"/b"}}}""",
        "Isolation:Sandboxes:a:Rootfs must be an absolute path, not \"relative\".")]
    [InlineData("""{"Sandboxes":{"a":{"Rootfs":"host","Command":"/b","WorkingDirectory":"x"}}}""",
        "Isolation:Sandboxes:a:WorkingDirectory must be an absolute path, not \"x\".")]
    [InlineData("""{"Sandboxes":{"a":{"Command":"/b"}}}""", "Isolation:Sandboxes:a:Rootfs is missing.")]
    [InlineData("""{"Sandboxes":{"a":{"Rootfs":"host"}}}""", "Isolation:Sandboxes:a:Command is missing.")]
    [InlineData("""{"Sandboxes":{"a":"host"}}""", "Isolation:Sandboxes:a must be a section, and is a value.")]
    [InlineData("""{"Sandboxes":{"a":{"Rootfs":"host","Command":"/b","MemoryMax":{"Max":"1m"}}}}""",
        "Isolation:Sandboxes:a:MemoryMax must be one value, and is a section.")]
    [InlineData("""{"Services":{"web":{"Sandbox":"jury"}},"Sandboxes":{"judge":{"Rootfs":"host","Command":"/b"}}}""",
        "Isolation:Services:web:Sandbox names no sandbox: \"jury\". There are: judge.")]
    [InlineData("""{"Services":{"judge":{"Restart":"1"}},"Sandboxes":{"judge":{"Rootfs":"host","Command":"/b"}}}""",
        "Isolation:Services:judge:Restart: \"1\" is none of OnFailure, Always, Never.")]
    [InlineData("""{"Services":{"judge":{"MaximumDelay":"00:00:00.1"}},"Sandboxes":{"judge":{"Rootfs":"host","Command":"/b"}}}""",
        "Isolation:Services:judge:MaximumDelay must be MinimumDelay (00:00:00.2000000) or more")]
    public void A_fault_names_its_key(string section, string fault)
    {
        using ServiceProvider provider = Provider($$"""{ "Isolation": {{section}} }""");
        var thrown = Assert.Throws<OptionsValidationException>(() => provider.GetRequiredService<IStartupValidator>().Validate());
        Assert.Contains(thrown.Failures, f => f.StartsWith(fault, StringComparison.Ordinal));
        Assert.DoesNotContain("secret", thrown.Message);
    }

    [Fact]
    public void All_faults_are_told_at_once()
    {
        using ServiceProvider provider = Provider("""
            { "Isolation": { "Sandboxes": { "a": { "Rootfs": "x", "Comand": "/b", "PidsMax": "many" }, "b": { "Cpus": "half" } } } }
            """);
        var thrown = Assert.Throws<OptionsValidationException>(() => provider.GetRequiredService<IStartupValidator>().Validate());
        Assert.Equal(["Isolation:Sandboxes:a:Comand", "Isolation:Sandboxes:a:Command", "Isolation:Sandboxes:a:PidsMax",
            "Isolation:Sandboxes:a:Rootfs", "Isolation:Sandboxes:b:Cpus", "Isolation:Sandboxes:b:Rootfs"],
            thrown.Failures.Select(f => f.Split(' ')[0].TrimEnd(':')).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Code_and_configuration_make_one_definition()
    {
        var services = new ServiceCollection();
        services.AddIsolation(options => options.Sandbox("judge").Environment["FROM"] = "code");
        services.AddIsolation(Section(Judge), options => options.Sandbox("judge").Configure = b => b.WithHostName("late"));
        using ServiceProvider provider = services.BuildServiceProvider();
        ContainerSpec spec = provider.GetRequiredKeyedService<ContainerBuilder>("judge").Build().Spec;
        Assert.Equal(("code", "late", 3), (spec.Environment["FROM"], spec.HostName, spec.Environment.Count));
    }

    [Fact]
    public void Builders_are_keyed_services_and_unknown_names_are_refused_with_those_known()
    {
        using ServiceProvider provider = Provider(Judge);
        Assert.NotSame(provider.GetRequiredKeyedService<ContainerBuilder>("judge"),
            provider.GetRequiredKeyedService<ContainerBuilder>("judge"));
        Assert.Equal(["judge"], provider.GetRequiredService<ISandboxFactory>().Names);
        var thrown = Assert.Throws<KeyNotFoundException>(() => provider.GetRequiredKeyedService<ContainerBuilder>("jury"));
        Assert.Equal("There is no sandbox \"jury\". There are: judge.", thrown.Message);
    }

    [Fact]
    public void A_change_of_the_configuration_holds_for_the_next_builder()
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, Judge);
            IConfigurationRoot root = new ConfigurationBuilder().AddJsonFile(path).Build();
            var services = new ServiceCollection();
            services.AddIsolation(root.GetSection("Isolation"));
            using ServiceProvider provider = services.BuildServiceProvider();
            ISandboxFactory factory = provider.GetRequiredService<ISandboxFactory>();
            Assert.Equal("judge", factory.CreateBuilder("judge").Build().Spec.HostName);
            File.WriteAllText(path, Judge.Replace("\"HostName\": \"judge\"", "\"HostName\": \"jury\""));
            root.Reload();
            Assert.Equal("jury", factory.CreateBuilder("judge").Build().Spec.HostName);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Theory]
    [InlineData("none", null, false)]
    [InlineData("host", null, true)]
    [InlineData("user-mode", "UserModeNetwork", false)]
    [InlineData("front", "BridgeNetwork", false)]
    public void Networks_are_named(string text, string? type, bool shared)
    {
        using ServiceProvider provider = Provider(
            $$$"""{ "Isolation": { "Sandboxes": { "a": { "Rootfs": "host", "Command": "/b", "Network": "{{{text}}}" } } } }""");
        ContainerSpec spec = provider.GetRequiredService<ISandboxFactory>().CreateBuilder("a").Build().Spec;
        Assert.Equal((type, shared), (spec.Network.Network?.GetType().Name, spec.Namespaces.SharedWithHost == NamespaceKinds.Net));
    }

    private static ServiceProvider Provider(string json)
    {
        var services = new ServiceCollection();
        services.AddIsolation(Section(json));
        return services.BuildServiceProvider();
    }

    private static IConfigurationSection Section(string json) =>
        new ConfigurationBuilder().AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes(json))).Build().GetSection("Isolation");
}
