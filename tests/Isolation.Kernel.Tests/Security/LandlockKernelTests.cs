using Isolation.Containers;
using Isolation.Linux;
using Isolation.Linux.Syscalls;
using Isolation.Security;

namespace Isolation.Kernel.Tests.Security;

/// <summary>Landlock in the kernel.</summary>
public class LandlockKernelTests
{
    private static T OnThread<T>(LandlockRuleset ruleset, Func<LandlockReport, T> function)
    {
        Assert.SkipUnless(Landlock.Abi > 0, "needs Landlock");
        using var thread = new LinuxThread("landlock test");
        return thread.Invoke(() =>
        {
            NoNewPrivileges.SetForCurrentThread();
            return function(ruleset.RestrictCurrentThread());
        });
    }

    private static Errno Open(string path, uint flags = 0)
    {
        SyscallResult result = FileSyscalls.OpenAt(null, path, flags, 0b110_000_000);
        if (!result.IsError)
            new LinuxHandle((int)result.Value).Dispose();
        return result.Errno;
    }

    [Fact]
    public void Paths_are_open_as_far_as_the_rules_say()
    {
        using var directory = new TemporaryDirectory();
        string read = directory.Write("read/file", "x"), write = directory.Make("write"), none = directory.Write("none/file", "x"),
            single = directory.Write("single", "x");
        LandlockRuleset ruleset = LandlockRuleset.Everything.Allow(LandlockFileAccess.Read, Path.GetDirectoryName(read)!)
            .Allow(LandlockFileAccess.Read | LandlockFileAccess.Write, write)
            .Allow(LandlockFileAccess.Read | LandlockFileAccess.Write, single) // a file: the rights of directories are left out
            .AllowIfExists(LandlockFileAccess.Read, directory.Path + "/missing");
        Errno[] outcomes = OnThread(ruleset, report =>
        {
            Assert.Equal(Landlock.Abi, report.Abi);
            Assert.False(report.AllThreads);
            Assert.Equal(LandlockRights.OfAbi(Landlock.Abi), report.Enforced);
            return new[] { Open(read), Open(read, 1), Open(write + "/new", 0x41), Open(none), Open(single, 2), Open(directory.Path) };
        });
        Assert.Equal([Errno.None, Errno.EACCES, Errno.None, Errno.EACCES, Errno.None, Errno.EACCES], outcomes);
        Assert.Equal(Errno.None, Open(none)); // other threads are as they were
    }

    [Fact]
    public void Ports_and_signals_are_restricted_where_the_kernel_can()
    {
        Assert.SkipUnless(Landlock.Abi >= 4, "needs Landlock ABI 4");
        using var server = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        server.Start();
        int port = ((System.Net.IPEndPoint)server.LocalEndpoint).Port;
        LandlockRuleset ruleset = LandlockRuleset.Restrict(
            new LandlockRights(LandlockFileAccess.None, LandlockNetAccess.ConnectTcp | LandlockNetAccess.BindTcp), LandlockRights.All)
            .Allow(LandlockFileAccess.Read | LandlockFileAccess.Execute, "/").Allow(LandlockNetAccess.ConnectTcp, port);
        Errno[] outcomes = OnThread(ruleset,
            report => new[] { Connect(port), Connect(port - 1), RawSyscall.Invoke(Syscall.kill, (nuint)1, 0).Errno });
        Assert.Equal([Errno.None, Errno.EACCES], outcomes[..2]);
        Assert.Equal(Landlock.Abi >= 6 || !Host.IsRoot ? Errno.EPERM : Errno.None, outcomes[2]);
    }

    private static Errno Connect(int port)
    {
        using var socket = new LinuxHandle((int)RawSyscall.Invoke(Syscall.socket, 2, 0x80001, 0).Value);
        return SeccompSyscalls.Connect(socket, [2, 0, (byte)(port >> 8), (byte)port, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]).Errno;
    }

    [Fact]
    public void A_missing_path_is_told_and_leaves_nothing()
    {
        Assert.SkipUnless(Landlock.Abi > 0, "needs Landlock");
        using var thread = new LinuxThread("landlock test");
        thread.Invoke(NoNewPrivileges.SetForCurrentThread);
        Assert.Throws<LinuxException>(
            () => thread.Invoke(() => LandlockRuleset.Everything.Allow(LandlockFileAccess.Read, "/missing/path").RestrictCurrentThread()));
        var leaks = new Leaks();
        LinuxException e = Assert.Throws<LinuxException>(() => thread.Invoke(
            () => LandlockRuleset.Everything.Allow(LandlockFileAccess.Read, "/usr", "/missing/path").RestrictCurrentThread()));
        Assert.Equal(("allow READ_FILE, READ_DIR below", "\"/missing/path\"", Errno.ENOENT), (e.Action, e.Subject, e.Errno));
        leaks.AssertNone();
        Assert.Equal(Errno.None, thread.Invoke(() => Open("/etc/passwd")));
    }

    [Fact]
    public void All_threads_need_a_kernel_that_can()
    {
        Assert.SkipUnless(Landlock.Abi is > 0 and < 8, "needs Landlock before ABI 8");
        KernelFeatureException e = Assert.Throws<KernelFeatureException>(() => LandlockRuleset.Everything.RestrictAllThreads());
        Assert.Contains("7.0", e.Message);
        Assert.Equal(Errno.None, Open("/etc/passwd"));
    }

    [Theory]
    [InlineData(LaunchForm.InMemory)]
    [InlineData(LaunchForm.Sealed)]
    public async Task A_container_is_restricted_before_its_first_instruction(LaunchForm form)
    {
        Assert.SkipUnless(Landlock.Abi > 0, "needs Landlock");
        var leaks = new Leaks();
        await RunAsync(form);
        leaks.AssertNone();
    }

    // Apart from what looks for leaks: what a plan holds, and an exception its plan, is held as long as they are.
    private static async Task RunAsync(LaunchForm form)
    {
        LandlockRuleset ruleset = LandlockRuleset.Everything.AllowIfExists(LandlockFileAccess.Read | LandlockFileAccess.Execute, "/usr",
            "/bin", "/lib", "/lib64")
            .Allow(LandlockFileAccess.Read | LandlockFileAccess.Write, "/tmp").Allow(LandlockFileAccess.WriteFile, "/dev/null");
        ContainerBuilder builder =
            Box.Shell("cat /etc/passwd 2>/dev/null || echo no; echo x > /tmp/f && cat /tmp/f; (echo y > /root/f) 2>/dev/null || echo no")
                .WithWritableRoot()
                .AddMount(new Namespaces.TmpfsMount("/tmp")).WithLandlock(ruleset).WithLaunchForm(form);
        Assert.Equal("no\nx\nno", await builder.OutputAsync());
        LaunchException e = await Assert.ThrowsAsync<LaunchException>(() => Box.Builder("true")
            .WithLandlock(LandlockRuleset.Everything.Allow(LandlockFileAccess.Read, "/missing"))
            .StartAsync(TestContext.Current.CancellationToken));
        Assert.Equal("\"/missing\"", e.Subject);
    }
}
