using Isolation.Cgroups;
using Isolation.Linux;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Containers.Tests;

/// <summary>What a plan has fallen back to, for the log.</summary>
public class FallbackTests
{
    private static readonly HostFacts s_delegated = PlanTests.Ordinary with
    {
        Cgroups = PlanTests.Root.Cgroups,
    };

    private static readonly ContainerBuilder s_builder = new ContainerBuilder(Rootfs.Directory("/srv/root")).WithCommand("/bin/app");

    [Fact]
    public void A_host_with_everything_has_none() => Assert.Empty(Of(s_builder, PlanTests.Root));

    [Fact]
    public void Everything_else_is_told_with_its_reason()
    {
        Assert.Equal(["process: created by clone(2)"], Of(s_builder, PlanTests.Root with { HasClone3 = false }));
        Assert.Equal(["launch form: Sealed"], Of(s_builder.WithInit().WithLaunchForm(LaunchForm.InMemory), PlanTests.Root));
        Assert.Equal(["user namespace: a new one"], Of(s_builder, s_delegated));
        Assert.Equal(["user namespace: a new one", "root: an overlay for each directory"],
            Of(new ContainerBuilder(Rootfs.Host).WithCommand("/bin/app"), s_delegated));
        Assert.Equal(["! id map: the host's ids unchanged"], Of(s_builder.WithUserNamespace(UserNamespaceMode.New), PlanTests.Root));
        Assert.Equal(["! limit of processes: none"], Of(s_builder, PlanTests.Root with
        {
            Cgroups = PlanTests.Root.Cgroups with { Controllers = ["memory"], Enabled = ["memory"] },
        }));
        Assert.Equal(["! control group: this process's own, without a limit of processes", "user namespace: a new one"],
            Of(s_builder, PlanTests.Ordinary));
        Assert.Equal(["network: slirp4netns"],
            Of(s_builder.WithNetwork(ContainerNetwork.UserMode), PlanTests.Root with { Slirp4netns = "/usr/bin/slirp4netns" }));
    }

    [Fact]
    public void What_was_asked_for_is_no_fallback()
    {
        Assert.Empty(Of(s_builder.WithCgroup(CgroupUse.SharedWithParent), PlanTests.Root));
        Assert.Empty(Of(s_builder.WithPidsMax(10), PlanTests.Root));
        Assert.Empty(Of(s_builder.WithUserNamespace(IdMap.Parse("0:100000:65536"), IdMap.Parse("0:100000:65536")), PlanTests.Root));
    }

    [Fact]
    public void Rights_that_an_older_Landlock_lacks_are_told() =>
        Assert.StartsWith("! Landlock: without ", Assert.Single(Of(
            s_builder.WithLandlock(LandlockRuleset.Everything.Allow(LandlockFileAccess.Read, "/usr")),
            PlanTests.Root with { LandlockAbi = 1 })));

    private static string[] Of(ContainerBuilder builder, HostFacts facts)
    {
        PlanFallback[] all = [.. PlanFallbacks.Of(builder.Build().Plan(facts))];
        Assert.All(all, f => Assert.NotEmpty(f.Reason));
        return [.. all.Select(f => $"{(f.Weakens ? "! " : "")}{f.Part}: {f.Chosen}")];
    }
}
