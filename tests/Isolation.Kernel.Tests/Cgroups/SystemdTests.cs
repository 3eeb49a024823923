using System.Diagnostics;
using Isolation.Cgroups;
using Isolation.Linux;

namespace Isolation.Kernel.Tests.Cgroups;

/// <summary>Scopes and slices of a real systemd.</summary>
public class SystemdTests
{
    [Fact]
    public void A_scope_holds_its_process_with_the_limits_in_systemds_books_and_in_the_files()
    {
        NeedsSystemd();
        using Process process = Process.Start("/bin/sleep", "1000");
        try
        {
            using SystemdScope scope = SystemdScope.Start($"isolation-{process.Id}.scope", process.Id,
                CgroupSettings.None.WithMemoryMax(ByteSize.FromMebibytes(64)).WithPidsMax(50).WithCpus(0.5).WithCpusetCpus(0)
                    .WithMemoryOomGroup(true));
            Assert.Contains(process.Id, scope.Cgroup.ReadProcesses());
            Assert.Equal("67108864\n", scope.Cgroup.Read("memory.max"));
            Assert.Equal("50000 100000\n", scope.Cgroup.Read("cpu.max"));
            Assert.Equal("0\n", scope.Cgroup.Read("cpuset.cpus"));
            Assert.Equal("1\n", scope.Cgroup.Read("memory.oom.group")); // no property: the file itself
            Assert.Equal("MemoryMax=67108864\nTasksMax=50\n",
                Host.Run("systemctl", "show", scope.Unit, "-p", "MemoryMax", "-p", "TasksMax").Output);
            Assert.Contains("Delegate=yes", Host.Run("systemctl", "show", scope.Unit, "-p", "Delegate").Output);

            scope.Apply(CgroupSettings.None.WithMemoryMax(ByteSize.FromMebibytes(32)));
            Assert.Equal("33554432\n", scope.Cgroup.Read("memory.max"));
            Assert.Equal(0, Host.Run("systemctl", "daemon-reload").Code);
            Assert.Equal("33554432\n", scope.Cgroup.Read("memory.max"));
            Assert.Contains("33554432", Host.Run("systemctl", "show", scope.Unit, "-p", "MemoryMax").Output);

            // Delegated: its inside is ours.
            using CgroupV2 leaf = scope.Cgroup.CreateChild("leaf");
            leaf.AddProcess(process.Id);
            scope.Cgroup.EnableControllers("memory");
            leaf.WithMemoryMax(ByteSize.FromMebibytes(16));
            Assert.Equal("16777216\n", leaf.Read("memory.max"));

            LinuxException taken = Assert.Throws<LinuxException>(() => SystemdScope.Start(scope.Unit, process.Id));
            Assert.Equal(Errno.EEXIST, taken.Errno);
            Assert.Contains("systemd says: ", taken.Message);
            scope.Stop();
            Assert.True(process.WaitForExit(20_000));
        }
        finally
        {
            process.Kill();
        }
    }

    [Fact]
    public void Device_rules_that_systemd_has_outlast_a_daemon_reload()
    {
        NeedsSystemd();
        var start = new ProcessStartInfo("/bin/sh", ["-c", "while read line; do eval \"$line\" 2>&1; echo .; done"])
        { RedirectStandardInput = true, RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        string Ask(string command)
        {
            process.StandardInput.WriteLine(command);
            process.StandardInput.Flush();
            string all = "";
            for (string line = process.StandardOutput.ReadLine()!; line != "."; line = process.StandardOutput.ReadLine()!)
                all += line + "\n";
            return all;
        }

        try
        {
            using SystemdScope scope = SystemdScope.Start($"isolation-dev-{process.Id}.scope", process.Id,
                devices: [DeviceRule.Parse("c 1:3 rw"), DeviceRule.Parse("c 136:* rw")]);
            for (int round = 0; round < 2; round++)
            {
                Assert.DoesNotContain("not permitted", Ask("echo x > /dev/null"));
                Assert.Contains("not permitted", Ask("head -c 1 /dev/zero"));
                Assert.Equal(0, Host.Run("systemctl", "daemon-reload").Code);
            }
        }
        finally
        {
            process.Kill();
        }
    }

    [Fact]
    public void A_slice_limits_the_scopes_below_it()
    {
        NeedsSystemd();
        using SystemdScope slice = SystemdScope.StartSlice($"isolationtest{Environment.ProcessId}.slice",
            CgroupSettings.None.WithPidsMax(77));
        using Process process = Process.Start("/bin/sleep", "1000");
        using SystemdScope scope = SystemdScope.Start($"isolation-in-{process.Id}.scope", process.Id, slice: slice.Unit);
        Assert.StartsWith(slice.Cgroup.Path + "/", scope.Cgroup.Path);
        Assert.Equal("77\n", slice.Cgroup.Read("pids.max"));
        process.Kill();
        process.WaitForExit();
        slice.Stop();
    }

    [Fact]
    public void Without_systemd_it_is_told()
    {
        Assert.SkipWhen(Directory.Exists("/run/systemd/system"), "needs a host without systemd");
        KernelFeatureException e = Assert.Throws<KernelFeatureException>(() => SystemdScope.Start("x.scope", 1));
        Assert.Contains("not run by systemd", e.Message);
        Assert.Throws<ArgumentException>(() => SystemdScope.Start("x.service", 1));
    }

    [Fact]
    public void An_ordinary_user_has_scopes_of_its_own_instance()
    {
        Host.NeedsOrdinaryUser();
        Assert.SkipUnless(SystemdScope.IsAvailable && Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR") is not null,
            "needs a user instance of systemd: the test machine");
        using Process process = Process.Start("/bin/sleep", "1000");
        try
        {
            using SystemdScope scope = SystemdScope.Start($"isolation-user-{process.Id}.scope", process.Id,
                CgroupSettings.None.WithMemoryMax(ByteSize.FromMebibytes(48)), user: true);
            Assert.Equal("50331648\n", scope.Cgroup.Read("memory.max"));
            Assert.Contains(process.Id, scope.Cgroup.ReadProcesses());
            scope.Stop();
            Assert.True(process.WaitForExit(20_000));
        }
        finally
        {
            process.Kill();
        }
    }

    private static void NeedsSystemd()
    {
        Host.NeedsRoot();
        Assert.SkipUnless(SystemdScope.IsAvailable, "needs systemd: the test machine");
    }
}
