using Isolation.Linux;

namespace Isolation.Security.Tests;

/// <summary>Rulesets, labels and profiles as values, without a kernel.</summary>
public class PolicyTests
{
    [Theory]
    [InlineData(0, "nothing")]
    [InlineData(1, "EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE, MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK, "
        + "MAKE_FIFO, MAKE_BLOCK, MAKE_SYM")]
    public void Rights_are_spelt_as_the_kernel_does(int abi, string text) => Assert.Equal(text, LandlockRights.OfAbi(abi).ToString());

    [Theory]
    [InlineData(2, "REFER")]
    [InlineData(3, "TRUNCATE")]
    [InlineData(4, "BIND_TCP, CONNECT_TCP")]
    [InlineData(5, "IOCTL_DEV")]
    [InlineData(6, "scope ABSTRACT_UNIX_SOCKET, scope SIGNAL")]
    [InlineData(7, "nothing")]
    [InlineData(8, "nothing")]
    [InlineData(9, "RESOLVE_UNIX")]
    [InlineData(10, "BIND_UDP, CONNECT_SEND_UDP")]
    [InlineData(11, "nothing")]
    [InlineData(12, "nothing")]
    public void Each_version_adds_its_rights(int abi, string added) =>
        Assert.Equal(added, LandlockRights.OfAbi(abi).Except(LandlockRights.OfAbi(abi - 1)).ToString());

    [Fact]
    public void Rights_have_the_kernel_s_numbers()
    {
        // The constants are checked against the headers elsewhere.
        Dictionary<string, ulong> constants = typeof(Isolation.Linux.Abi.LandlockAbi)
            .GetFields(System.Reflection.BindingFlags.Static | System.Reflection.BindingFlags.NonPublic)
            .Where(f => f.FieldType == typeof(ulong)).ToDictionary(f => f.Name, f => (ulong)f.GetRawConstantValue()!);
        Assert.Equal(23, constants.Count);
        foreach ((string name, ulong value) in constants)
        {
            string spelt = name switch
            {
                _ when name.StartsWith("LANDLOCK_ACCESS_FS_", StringComparison.Ordinal) =>
                    new LandlockRights((LandlockFileAccess)value).ToString(),
                _ when name.StartsWith("LANDLOCK_ACCESS_NET_", StringComparison.Ordinal) =>
                    new LandlockRights(LandlockFileAccess.None, (LandlockNetAccess)value).ToString(),
                _ => new LandlockRights(LandlockFileAccess.None, LandlockNetAccess.None, (LandlockScopes)value).ToString(),
            };
            Assert.EndsWith("_" + spelt.Replace("scope ", ""), name, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void What_a_kernel_lacks_is_refused_or_reported()
    {
        LandlockRuleset ruleset = LandlockRuleset.Restrict(LandlockRights.OfAbi(3), LandlockRights.OfAbi(6))
            .Allow(LandlockFileAccess.Read, "/usr").WithLogging(LandlockLogging.NewExecOn);
        LandlockReport report = ruleset.Plan(4);
        Assert.Equal((LandlockRights.OfAbi(4), LandlockRights.OfAbi(6).Except(LandlockRights.OfAbi(4)), LandlockLogging.Default),
            (report.Enforced, report.NotEnforced, report.Logging));
        Assert.Contains("not enforced, for want of a newer kernel: IOCTL_DEV, scope ABSTRACT_UNIX_SOCKET, scope SIGNAL", report.ToString());
        Assert.Equal(LandlockLogging.NewExecOn, ruleset.Plan(7).Logging);
        KernelFeatureException old = Assert.Throws<KernelFeatureException>(() => ruleset.Plan(2));
        Assert.Contains("Landlock's TRUNCATE", old.Message);
        Assert.Contains("It needs Linux 6.2", old.Message);
        Assert.Contains("lsm=landlock", Assert.Throws<KernelFeatureException>(() => ruleset.Plan(0)).Message);
        Assert.Contains("does not restrict", Assert.Throws<ArgumentException>(() => ruleset.Allow(LandlockNetAccess.BindUdp, 53)).Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => ruleset.Allow(LandlockNetAccess.BindTcp, 70000));
        Assert.Throws<ArgumentException>(() => ruleset.Allow(LandlockFileAccess.Read, ""));
        Assert.Throws<ArgumentException>(() => LandlockRuleset.Restrict(new LandlockRights((LandlockFileAccess)(1ul << 40))));
        Assert.Contains("\"/usr\": READ_FILE, READ_DIR\n", ruleset.ToString());
    }

    [Fact]
    public void A_ruleset_prints_its_steps()
    {
        LandlockRuleset ruleset = LandlockRuleset.Everything.Allow(LandlockFileAccess.Read | LandlockFileAccess.Write, "/tmp")
            .AllowIfExists(LandlockFileAccess.Execute | LandlockFileAccess.ReadFile, "/usr/bin/x")
            .Allow(LandlockNetAccess.ConnectTcp, 443).WithQuiet(new LandlockRights(LandlockFileAccess.Read), "/quiet");
        string Steps(int abi) => string.Join('\n',
            LandlockSteps.Restrict(ruleset, ruleset.Plan(abi)).SelectMany(s => s.Calls.Select(c => "  " + c).Prepend(s.ToString()))) + "\n";
        Golden.AssertEqual("landlock-abi-7.txt", Steps(7));
        Golden.AssertEqual("landlock-abi-11.txt", Steps(11));
        Assert.DoesNotContain("443", Steps(3));
    }

    [Fact]
    public void A_container_s_profile_is_reviewed() => Golden.AssertEqual("apparmor-container.txt",
        AppArmorProfile.Container("isolation-default").Deny("network raw").Deny("network raw,").ToString());

    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("x {")]
    [InlineData("/a")]
    public void Other_profile_names_are_refused(string name) => Assert.ThrowsAny<ArgumentException>(() => AppArmorProfile.Container(name));

    [Fact]
    public void A_rule_is_one_rule()
    {
        Assert.Throws<ArgumentException>(() => AppArmorProfile.Container("x").Deny("mount,\n  capability"));
        Assert.Throws<ArgumentException>(() => AppArmorProfile.Container("x").Add("file # all"));
    }

    [Fact]
    public void Contexts_read_back_and_categories_are_given_once()
    {
        SELinuxContext context = SELinuxContext.Parse("system_u:system_r:container_t:s0:c1,c2");
        Assert.Equal(("container_t", "s0:c1,c2", "system_u:system_r:container_t:s0:c1,c2"),
            (context.Type, context.Level, context.ToString()));
        Assert.Throws<FormatException>(() => SELinuxContext.Parse("container_t"));
        Assert.Throws<FormatException>(() => SELinuxContext.Parse("a:b:c d"));
        using var directory = new TemporaryDirectory();
        using SELinuxCategories one = SELinuxCategories.Allocate(directory.Path);
        Assert.True(one.First < one.Second);
        Assert.Equal($"s0:c{one.First},c{one.Second}", context.WithCategories(one).Level);
        Assert.Null(SELinuxCategories.TryReserve(directory.Path, one.First, one.Second));
        one.Dispose();
        using SELinuxCategories? again = SELinuxCategories.TryReserve(directory.Path, one.First, one.Second);
        Assert.NotNull(again);
    }

    [Theory]
    [InlineData("0-3,8", "0-3,8")]
    [InlineData("3,1,2", "1-3")]
    [InlineData("5", "5")]
    public void Processors_are_lists(string text, string printed) => Assert.Equal(printed, CpuAffinity.Parse(text).ToString());

    [Theory]
    [InlineData("cap_net_raw=ep", Capability.NetRaw, true)]
    [InlineData("cap_chown=p", Capability.Chown, false)]
    public void File_capabilities_print_as_getcap_does(string text, Capability capability, bool effective) =>
        Assert.Equal(text, new FileCapabilities(CapabilitySet.Of(capability), CapabilitySet.None, effective).ToString());

    [Fact]
    public void A_status_tells_what_restricts_a_process()
    {
        const string Status = "Name:\tcat\nUid:\t1000\t1001\t1000\t1000\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000400\n"
            + "CapEff:\t0000000000000400\nCapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\n"
            + "NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\nSpeculation_Store_Bypass:\tthread vulnerable\n";
        ProcessSecurity process = ProcessSecurity.Parse(7, Status,
            System.Collections.Immutable.ImmutableSortedDictionary<string, string>.Empty.Add("apparmor", "x (enforce)"));
        Assert.Equal(("cat", 1001u, true, 2, 3, "thread vulnerable"), (process.Name, process.UserId, process.NoNewPrivileges,
            process.SeccompMode, process.SeccompFilters, process.SpeculationStoreBypass));
        Assert.Equal(CapabilitySet.Of(Capability.NetBindService), process.Capabilities.Effective);
        Golden.AssertEqual("inspect.txt", process.ToString());
    }

    [Fact]
    public void Sets_of_capabilities_are_lists_of_names()
    {
        Assert.Equal(CapabilitySet.Of(Capability.NetRaw, Capability.Kill), CapabilitySet.Parse("net_raw, CAP_KILL"));
        Assert.Equal(CapabilitySet.All, CapabilitySet.Parse("ALL"));
        Assert.Equal(CapabilitySet.None, CapabilitySet.Parse("none"));
        Assert.Equal((Capability)63, CapabilitySet.ParseName("CAP_63"));
        Assert.Throws<FormatException>(() => CapabilitySet.Parse("net_raw bad"));
    }
}
