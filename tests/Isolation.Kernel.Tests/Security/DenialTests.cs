using Isolation.Containers;
using Isolation.Linux;
using Isolation.Security;

namespace Isolation.Kernel.Tests.Security;

/// <summary>A container's filter: what it refuses is told, what a program needs is learnt.</summary>
public class DenialTests
{
    [Fact]
    public async Task The_default_filter_is_in_force_in_every_form()
    {
        foreach (LaunchForm form in new[] { LaunchForm.InMemory, LaunchForm.Sealed, LaunchForm.Forked })
        {
            Assert.Equal("NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1",
                await Box.Shell("grep -E '^(NoNewPrivs|Seccomp.*):' /proc/self/status").WithLaunchForm(form).OutputAsync());
        }

        Assert.Equal("2", await Box.Shell("grep '^Seccomp:' /proc/self/status | cut -f2").WithInit().OutputAsync());
        Assert.Equal("0", await Box.Shell("grep '^Seccomp:' /proc/self/status | cut -f2").WithSeccompUnconfined().OutputAsync());
        Assert.Equal("2 0", await Box.Shell("echo $(grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status | sort -r | cut -f2)")
            .AllowNewPrivileges().OutputAsync());
    }

    [Theory]
    [InlineData(LaunchForm.InMemory, false)]
    [InlineData(LaunchForm.Sealed, false)]
    [InlineData(LaunchForm.Sealed, true)]
    public async Task Refused_calls_are_told_with_their_arguments(LaunchForm form, bool init)
    {
        var leaks = new Leaks();
        (ContainerResult result, string output) = await Box.Shell("unshare --net true; unshare --net true; exit 3").WithLaunchForm(form)
            .WithInit(init).WithDenialReport().RunAndReadAsync();
        SeccompDenial denial = Assert.Single(result.Denials);
        Assert.Equal(("unshare", 0x40000000ul, 2L, "unshare", SeccompAction.Deny),
            (denial.Verdict.Call.Name, denial.Verdict.Call.Arguments[0], denial.Count, denial.Program, denial.Verdict.Action));
        Assert.Contains("refused by its seccomp filter: unshare(0x40000000, ", result.ToString());
        Assert.Contains("Operation not permitted", output);
        Assert.Equal(3, result.Status.Code);
        leaks.AssertNone();
    }

    [Fact]
    public async Task The_name_that_a_program_chose_has_no_effect_on_the_terminal_that_it_is_told_on()
    {
        Host.NeedsTool("bash");
        // Clears the screen.
        (ContainerResult result,
            _) = await Box.Builder("bash", "-c", "printf '\\033[2Jok' > /proc/self/comm; exec 3<> /dev/tcp/127.0.0.1/1; exit 0")
            .WithSeccomp(SeccompFilter.NoNetwork).WithDenialReport().RunAndReadAsync();
        SeccompDenial denial = Assert.Single(result.Denials);
        Assert.Equal("\u001b[2Jok", denial.Program);
        Assert.Contains("\"\\x1b[2Jok\"", denial.ToString());
        Assert.DoesNotContain('\u001b', result.ToString());
    }

    [Fact]
    public async Task Who_dies_of_its_filter_is_told_for_which_call()
    {
        SeccompFilter filter = SeccompFilter.Of(SeccompAction.Allow).Add(SeccompAction.KillProcess, "sync");
        (ContainerResult silent, _) = await Box.Builder("sync").WithSeccomp(filter).RunAndReadAsync();
        Assert.Equal((Signal.SIGSYS, true), (silent.Status.Signal, silent.KilledBySeccomp));
        Assert.Contains("have denials reported", silent.ToString());
        (ContainerResult told, _) = await Box.Builder("sync").WithSeccomp(filter).WithDenialReport().RunAndReadAsync();
        Assert.True(told.KilledBySeccomp);
        Assert.Equal("sync", Assert.Single(told.Denials).Verdict.Call.Name);
        (ContainerResult child, _) = await Box.Shell("sync; exit 0").WithSeccomp(filter).WithDenialReport().RunAndReadAsync();
        Assert.Equal((0, false), (child.Status.Code, child.KilledBySeccomp));
    }

    [Fact]
    public void A_filter_that_cannot_work_is_a_fault_of_the_spec()
    {
        SpecException e = Assert.Throws<SpecException>(() => Box.Builder("true").WithSeccomp(SeccompFilter.Strict).Plan());
        Assert.Contains("linux.seccomp: must allow execve", e.Message);
        e = Assert.Throws<SpecException>(() => Box.Builder("true").AllowNewPrivileges().WithDenialReport().Plan());
        Assert.Contains("process.noNewPrivileges", e.Message);
        Assert.Contains("AppArmor",
            Assert.ThrowsAny<Exception>(() => new ContainerBuilder(Box.Builder("true").WithAppArmorProfile("x").Build()).Build()
                .Plan(HostFacts.Current with { SecurityModules = ["landlock"] })).Message);
        KernelFeatureException old = Assert.Throws<KernelFeatureException>(() => Box.Builder("true")
            .WithLandlock(LandlockRuleset.Restrict(LandlockRights.OfAbi(4))).Build().Plan(HostFacts.Current with { LandlockAbi = 3 }));
        Assert.Contains("BIND_TCP", old.Message);
    }

    [Fact]
    public async Task A_program_runs_under_what_was_learnt_and_another_does_not()
    {
        Host.NeedsTool("python3");
        ContainerBuilder reader = Box.Builder("python3", "-S", "-c", "print(open('/etc/hostname').read())");
        (ContainerResult result, LearnedProfile profile) = await reader.WithStandardOutput(Stdio.Null).LearnAsync();
        Assert.Equal(0, result.Status.Code);
        Assert.Contains("/etc/hostname", profile.Read);
        Assert.Contains(profile.Executed, e => e.EndsWith("python3", StringComparison.Ordinal));
        Assert.InRange(profile.Syscalls.Count, 10, 80);
        SeccompFilter filter = SeccompProfile.Read(profile.ToJson());
        await reader.WithSeccomp(filter).OutputAsync();
        (ContainerResult other, string output) = await Box.Builder("python3", "-S", "-c", "import os; os.mkdir('/tmp/x')")
            .WithSeccomp(filter).WithDenialReport().RunAndReadAsync();
        Assert.NotEqual(0, other.Status.Code);
        Assert.Contains("PermissionError", output);
        Assert.Contains(other.Denials, d => d.Verdict.Call.Name is "mkdir" or "mkdirat" or "getcwd");
    }

    [Fact]
    public async Task A_dotnet_program_runs_under_what_was_learnt_and_another_does_not()
    {
        Host.NeedsRoot(); // the test's own files are root's
        string victim = Path.Combine(AppContext.BaseDirectory, "Isolation.Testing.Victim.dll");
        ContainerBuilder hello = Box.Builder("true").AddEnvironment("DOTNET_EnableDiagnostics", "0")
            .AddEnvironment("DOTNET_TieredCompilation", "0")
            .AddMount(new Namespaces.BindMount(Path.GetDirectoryName(Environment.ProcessPath!)!, "/mnt/runtime"))
            .AddMount(new Namespaces.BindMount(AppContext.BaseDirectory, "/mnt/tests"))
            .WithCommand("/mnt/runtime/dotnet", "/mnt/tests/Isolation.Testing.Victim.dll", "--hello");
        Assert.SkipUnless(Path.GetFileName(Environment.ProcessPath) == "dotnet" && File.Exists(victim), "needs dotnet and the victim");
        LearnedProfile profile = new();
        for (int run = 0; run < 3; run++)
        {
            (ContainerResult result, LearnedProfile once) = await hello.WithStandardOutput(Stdio.Null).LearnAsync();
            Assert.Equal(0, result.Status.Code);
            profile = profile.Merge(once);
        }

        SeccompFilter filter = profile.ToFilter();
        Assert.StartsWith("hello from process", await hello.WithSeccomp(filter).OutputAsync(), StringComparison.Ordinal);
        Assert.Contains("SCMP_ACT_ALLOW", profile.ToJson());
        (ContainerResult other, _) = await Box.Shell("mkdir /tmp/x").WithSeccomp(filter).WithDenialReport().RunAndReadAsync();
        Assert.NotEqual(0, other.Status.Code);
        Assert.NotEmpty(other.Denials);
    }

    [Fact]
    public async Task A_privileged_container_has_what_this_process_has_and_an_ordinary_one_has_not()
    {
        const string Script = "grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status | cut -f2 | tr '\\n' ' '; "
            + "mount -t tmpfs x /tmp 2>/dev/null && echo mounted; head -c 1 /proc/timer_list 2>/dev/null | wc -c";
        string[] words = (await Box.Shell(Script).WithPrivileged().OutputAsync()).Split([' ', '\n']);
        CapabilitySet all = HostFacts.Current.IsPrivileged ? HostFacts.Current.Capabilities : HostFacts.Current.KnownCapabilities;
        Assert.Equal([all.Bits.ToString("x16"), "0", "0", "mounted"], words[..4]);
        words = (await Box.Shell(Script).OutputAsync()).Split([' ', '\n']);
        Assert.Equal([CapabilitySet.DockerDefault.Bits.ToString("x16"), "1", "2", "0"], words[..4]);
    }

    [Fact]
    public async Task Settings_of_the_process_are_in_force()
    {
        Host.NeedsRoot();
        ContainerBuilder builder = Box.Shell("cat /proc/self/personality; grep Cpus_allowed_list /proc/self/status | cut -f2; ionice; nice")
            .WithSecurity(s => s with
            {
                Personality = Personality.AddressNoRandomize,
                CpuAffinity = CpuAffinity.Of(0),
                IoPriority = new IoPriority(IoPriorityClass.BestEffort, 7),
                Scheduling = new Scheduling(SchedulingPolicy.Other) { Nice = 7 },
            });
        Assert.Equal("00040000\n0\nbest-effort: prio 7\n7", await builder.OutputAsync());
        // Under it no memory becomes executable that was writable; the loader needs none of that.
        ContainerBuilder denied = Box.Shell("echo fine").WithSecurity(s => s with { DenyWriteExecute = true });
        if (KernelVersion.Running >= new KernelVersion(6, 3)) // PR_SET_MDWE(2const)
            Assert.Equal("fine", await denied.OutputAsync());
        else
            Assert.Contains("It needs Linux 6.3", (await Assert.ThrowsAsync<LaunchException>(() => denied.OutputAsync())).Message);
        Assert.False(ProcessHardening.DeniesWriteExecute);
    }

    [Fact]
    public void The_launcher_tells_of_refusals_when_the_command_failed_or_on_request()
    {
        // unshare(2) is refused by the default filter to who lacks CAP_SYS_ADMIN; the script does well without it.
        static (int Code, string Output) Run(params string[] words) =>
            Host.Run(Host.Dotnet, [Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll"), "run", .. words]);
        const string Script = "unshare --net true 2>/dev/null; exit ";
        Assert.Equal((0, ""), Run("sh", "-c", Script + "0"));
        (int code, string output) = Run("sh", "-c", Script + "3");
        Assert.Equal(3, code);
        Assert.Contains("isolation: the seccomp filter refused ", output);
        (code, output) = Run("--security-opt", "seccomp-report=on", "sh", "-c", Script + "0");
        Assert.Equal(0, code);
        Assert.Contains("isolation: the seccomp filter refused ", output);
        Assert.Equal((3, ""), Run("--security-opt", "seccomp-report=off", "sh", "-c", Script + "3"));
    }
}
