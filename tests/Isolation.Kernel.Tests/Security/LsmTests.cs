using Isolation.Containers;
using Isolation.Linux;
using Isolation.Linux.Syscalls;
using Isolation.Security;

namespace Isolation.Kernel.Tests.Security;

/// <summary>AppArmor and SELinux, where the kernel runs one of them: in the test machine.</summary>
public class LsmTests
{
    [Fact]
    public async Task An_AppArmor_profile_is_generated_loaded_and_enforced()
    {
        Host.NeedsRoot();
        Assert.SkipUnless(AppArmor.IsActive, "needs AppArmor");
        string name = "isolation-test-" + Environment.ProcessId;
        AppArmorProfile profile = AppArmorProfile.Container(name).Deny("network raw").Deny("/etc/hostname r");
        profile.Load();
        try
        {
            Assert.Equal("enforce", AppArmor.Loaded[name]);
            // The other layers allow it: only the profile is in the way.
            ContainerBuilder builder = Box.Shell("cat /proc/self/attr/current; mount -t tmpfs x /mnt 2>/dev/null && echo mounted; "
                + "cat /etc/hostname 2>/dev/null && echo read; cat /etc/passwd >/dev/null && echo other; "
                    + "true")
                .WithCapabilities(CapabilitySet.DockerDefault.Add(Capability.SysAdmin)).WithSeccompUnconfined().WithWritableRoot();
            Assert.Equal($"{name} (enforce)\nother", await builder.WithAppArmorProfile(name).OutputAsync());
            string without = await builder.OutputAsync();
            Assert.Contains("mounted", without);
            Assert.Contains("read", without);
            using var thread = new LinuxThread("apparmor test");
            (Errno before, Errno after, string? label) = thread.Invoke(() =>
            {
                Errno free = RawSocket();
                AppArmor.ChangeProfileOfCurrentThread(name);
                return (free, RawSocket(), AppArmor.ProfileOfCurrentThread);
            });
            Assert.Equal((Errno.None, Errno.EACCES, $"{name} (enforce)"), (before, after, label));
            foreach (LaunchForm form in new[] { LaunchForm.InMemory, LaunchForm.Sealed })
                Assert.Equal($"{name} (enforce)",
                    await Box.Builder("cat", "/proc/self/attr/current").WithAppArmorProfile(name).WithLaunchForm(form).OutputAsync());
        }
        finally
        {
            profile.Remove();
        }

        Assert.False(AppArmor.Loaded.ContainsKey(name));
        LaunchException e = await Assert.ThrowsAsync<LaunchException>(() => Box.Builder("true").WithAppArmorProfile("isolation-missing")
            .StartAsync(TestContext.Current.CancellationToken));
        Assert.Contains("No such profile is loaded", e.Message);
        LinuxException wrong = Assert.Throws<LinuxException>(() => AppArmorProfile.Container(name).Add("nonsense of a rule").Load());
        Assert.Contains("It said:", wrong.Message);
    }

    private static Errno RawSocket()
    {
        SyscallResult socket = RawSyscall.Invoke(Syscall.socket, 2, 3, 1);
        if (!socket.IsError)
            RawSyscall.Invoke(Syscall.close, (nuint)socket.Value);
        return socket.Errno;
    }

    [Fact]
    public async Task An_SELinux_context_is_seen_by_the_program()
    {
        Host.NeedsRoot();
        Assert.SkipUnless(SELinux.IsActive, "needs SELinux");
        Assert.NotNull(SELinux.ContextOfCurrentThread);
        using SELinuxCategories categories = SELinuxCategories.Allocate();
        SELinuxContext context = new SELinuxContext("system_u", "system_r", "initrc_t").WithCategories(categories);
        foreach (LaunchForm form in new[] { LaunchForm.InMemory, LaunchForm.Sealed })
            Assert.Equal(context.ToString(),
                (await Box.Builder("cat", "/proc/self/attr/current").WithSELinux(context).WithLaunchForm(form).OutputAsync())
                    .TrimEnd('\0'));
        SELinuxContext files = new SELinuxContext("system_u", "object_r", "tmpfs_t").WithCategories(categories);
        Assert.Equal($"{files}\n{files}", await Box.Shell("ls -Zd /dev /tmp | cut -d' ' -f1").AddMount(new Namespaces.TmpfsMount("/tmp"))
            .WithSELinux(context, files).OutputAsync());
        await using (Container running = await Box.Builder("sleep", "100").WithSELinux(context)
            .StartAsync(TestContext.Current.CancellationToken))
            Assert.Equal(context, SELinux.ContextOf(running.ProcessId));
        LaunchException e = await Assert.ThrowsAsync<LaunchException>(() => Box.Builder("true")
            .WithSELinux(context with { Type = "no_such_type_t" }).StartAsync(TestContext.Current.CancellationToken));
        Assert.Equal(Errno.EINVAL, e.Errno);
        Assert.Contains("The policy has no such context", e.Message);
    }

    [Fact]
    public void What_is_not_active_is_told_with_the_remedy()
    {
        Assert.NotEmpty(SecurityModules.Active);
        if (!AppArmor.IsActive)
            Assert.Contains("apparmor=1",
                Assert.Throws<KernelFeatureException>(() => AppArmor.SetExecProfileForCurrentThread("x")).Message);
        if (!SELinux.IsActive)
            Assert.Contains("selinux=1",
                Assert.Throws<KernelFeatureException>(() => SELinux.SetExecContextForCurrentThread(new("a", "b", "c"))).Message);
        Assert.Equal(!AppArmor.IsActive, AppArmor.ProfileOfCurrentThread is null);
    }
}
