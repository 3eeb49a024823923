namespace Isolation.Security.Tests;

public class CapabilityTests
{
    [Theory]
    [InlineData("CAP_NET_RAW", Capability.NetRaw)]
    [InlineData("net_raw", Capability.NetRaw)]
    [InlineData("NET_BIND_SERVICE", Capability.NetBindService)]
    [InlineData("cap_checkpoint_restore", Capability.CheckpointRestore)]
    [InlineData("linux_immutable", Capability.LinuxImmutable)]
    public void Names_are_read_as_people_write_them(string name, Capability capability) =>
        Assert.Equal(capability, CapabilitySet.ParseName(name));

    [Theory]
    [InlineData("")]
    [InlineData("CAP_")]
    [InlineData("NETRAW")]
    [InlineData("13")]
    [InlineData("net-raw")]
    public void Other_names_are_refused(string name) => Assert.Throws<FormatException>(() => CapabilitySet.ParseName(name));

    [Fact]
    public void Every_name_reads_back() =>
        Assert.All(Enum.GetValues<Capability>(), c => Assert.Equal(c, CapabilitySet.ParseName(CapabilitySet.KernelName(c))));

    [Fact]
    public void The_default_is_dockers()
    {
        Assert.Equal(0xa80425fbul, CapabilitySet.DockerDefault.Bits);
        Assert.Equal(14, CapabilitySet.DockerDefault.Count);
    }

    [Fact]
    public void Sets_are_values()
    {
        CapabilitySet set = CapabilitySet.None.Add(Capability.Kill).Add(Capability.Chown);
        Assert.Equal("CAP_CHOWN CAP_KILL", set.ToString());
        Assert.Equal("none", CapabilitySet.None.ToString());
        Assert.Equal("CAP_63", new CapabilitySet(1ul << 63).ToString());
        Assert.Equal(CapabilitySet.Of(Capability.Kill), set.Remove(Capability.Chown));
        Assert.Equal(set, CapabilitySet.All.Intersect(set));
        Assert.Equal(CapabilitySet.None, set.Except(set));
        Assert.True(CapabilitySet.DockerDefault.Contains(set));
        Assert.False(set.Contains(CapabilitySet.DockerDefault));
        Assert.Throws<ArgumentOutOfRangeException>(() => set.Add((Capability)64));
    }

    [Fact]
    public void The_state_of_a_thread_is_read_from_its_status()
    {
        CapabilityState state = CapabilityState.Parse("Name:\tx\nCapInh:\t0000000000000001\nCapPrm:\t0000000000000003\n"
            + "CapEff:\t0000000000000002\nCapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000000\n");
        Assert.Equal((1ul, 3ul, 2ul, 0x1ffffffffffUL, 0ul),
            (state.Inheritable.Bits, state.Permitted.Bits, state.Effective.Bits, state.Bounding.Bits, state.Ambient.Bits));
        Assert.Throws<FormatException>(() => CapabilityState.Parse("CapInh:\tzz"));
        Assert.Throws<FormatException>(() => CapabilityState.Parse(""));
        Assert.Equal(Capabilities.Read().Bounding, Capabilities.Read(Environment.ProcessId).Bounding);
    }

    [Theory]
    [InlineData("nofile=1024:2048", RlimitResource.Nofile, 1024, 2048)]
    [InlineData("RLIMIT_CORE=0", RlimitResource.Core, 0, 0)]
    [InlineData("nproc=unlimited", RlimitResource.Nproc, ulong.MaxValue, ulong.MaxValue)]
    [InlineData("stack=8192:-1", RlimitResource.Stack, 8192, ulong.MaxValue)]
    public void Limits_are_read(string text, RlimitResource resource, ulong soft, ulong hard) =>
        Assert.Equal(new Rlimit(resource, soft, hard), Rlimit.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData("nofile")]
    [InlineData("nofile=")]
    [InlineData("nofile=x")]
    [InlineData("nofile=2:1")]
    [InlineData("7=5")]
    [InlineData("files=5")]
    public void What_is_no_limit_is_refused(string text) => Assert.Throws<FormatException>(() => Rlimit.Parse(text));
}
