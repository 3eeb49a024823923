using System.Globalization;
using Isolation.Cgroups;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Kernel.Tests;

/// <summary>The end of a container kills what is provably its own, all of it, and nobody else.</summary>
/// <remarks>As root in a PID namespace of their own: a runtime that failed these would kill what it can see.</remarks>
public class StrangerTests
{
    // daemon NAME: a grandchild in a session of its own. chain NAME: each forks the next and ends. bomb NAME: each forks without end.
    // enter: joins the mount namespace of process 1. get NUMBER: a process that has it, which the kernel gives who may restore checkpoints:
    // set_tid of clone3(2). bystanders COUNT: processes with mount namespaces of their own; tells how many of them somebody killed.
    private const string Source = """
        #define _GNU_SOURCE
        #include <fcntl.h>
        #include <linux/sched.h>
        #include <sched.h>
        #include <signal.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        #include <sys/prctl.h>
        #include <sys/syscall.h>
        #include <sys/wait.h>
        #include <unistd.h>
        int main(int argc, char **argv)
        {
            if (!strcmp(argv[1], "bystanders"))
            {
                int wanted = atoi(argv[2]), started = 0, killed = 0, living = 0, status;
                while (started < wanted || living)
                {
                    if (started < wanted && living < 6)
                    {
                        if (!fork()) { if (unshare(CLONE_NEWNS)) _exit(9); usleep(8000); _exit(0); }
                        started++, living++;
                    }
                    while (living && waitpid(-1, &status, living >= 6 || started == wanted ? 0 : WNOHANG) > 0)
                        living--, killed += !WIFEXITED(status) || WEXITSTATUS(status);
                }
                printf("bystanders %d killed %d\n", started, killed);
                return 0;
            }
            if (!strcmp(argv[1], "get"))
            {
                pid_t wanted = atoi(argv[2]);
                struct clone_args how = { .exit_signal = SIGCHLD, .set_tid = (unsigned long)&wanted, .set_tid_size = 1 };
                long child = syscall(SYS_clone3, &how, sizeof how);
                if (child < 0) { perror("not"); return 0; }
                if (!child) { puts("got"); fflush(stdout); sleep(1000); _exit(0); }
                pause();
            }
            if (!strcmp(argv[1], "enter"))
                return setns(open("/proc/1/ns/mnt", O_RDONLY), CLONE_NEWNS) ? 77 : 0;
            prctl(PR_SET_NAME, argv[2]);
            if (fork()) _exit(0);
            setsid();
            if (!strcmp(argv[1], "daemon")) { if (fork()) _exit(0); for (;;) pause(); }
            if (!strcmp(argv[1], "chain")) for (;;) { if (fork()) _exit(0); usleep(100); }
            if (!strcmp(argv[1], "bomb")) for (;;) if (!fork()) setsid();
            return 1;
        }
        """;

    [Theory]
    [InlineData("cgroup", NamespaceKinds.Mount, "recurred")]
    [InlineData("user namespace", NamespaceKinds.User, "did not recur")]
    [InlineData("user namespace", NamespaceKinds.Mount, "recurred")]
    [InlineData("mount namespace", NamespaceKinds.Mount, "did not recur")]
    public void A_stranger_that_got_the_number_of_the_containers_namespace_lives(string held, NamespaceKinds kind, string told)
    {
        Host.NeedsRoot();
        string said = Sandboxed("--recycled-namespace", held, kind.ToString());
        // The kernel gives the lowest free number, of all nsfs's, to the next namespace:
        // where it is not held, it comes back unless others of the host are faster.
        Assert.EndsWith("killed: 0\n", said);
        if (told == "did not recur" || said.Contains("did not"))
            Assert.Equal("the number did not recur; killed: 0\n", said);
    }

    [Theory]
    [InlineData("privileged", "enter")]
    [InlineData("cgroup", "daemon")]
    [InlineData("cgroup", "chain")]
    [InlineData("cgroup", "bomb")]
    [InlineData("user namespace", "daemon")]
    [InlineData("user namespace", "chain")]
    [InlineData("user namespace", "bomb")]
    [InlineData("mount namespace", "daemon")]
    [InlineData("mount namespace", "chain")]
    [InlineData("joined", "daemon")]
    [InlineData("joined", "chain")]
    public void All_of_a_container_ends_and_nobody_else(string kind, string attack)
    {
        Host.NeedsTool("gcc");
        if (kind is not ("user namespace" or "joined"))
            Host.NeedsRoot();
        int count = attack == "bomb" ? 2 : Host.IsLong ? 60 : 8;
        using var directory = new TemporaryDirectory();
        string said = Sandboxed("--beside-strangers", kind, count.ToString(CultureInfo.InvariantCulture), Attack(directory), attack);
        string joined = kind == "joined" ? " the joined one lives" : "";
        Assert.Equal($"survivors 0, containers {count}, failed 0, timed out 0, witnesses killed 0{joined}\n", said);
    }

    [Fact]
    public void A_stranger_that_got_the_number_of_a_member_of_the_control_group_lives()
    {
        Host.NeedsRoot();
        Host.NeedsTool("gcc");
        Host.NeedsTool("strace");
        using var directory = new TemporaryDirectory();
        string attack = Attack(directory), name = $"isolation-recycled-{Environment.ProcessId}";
        CgroupHierarchies hierarchies = CgroupHierarchies.Read();
        if (hierarchies.Mode == CgroupMode.Unified)
        {
            // As kernels before 5.14 must kill, which have no cgroup.kill. What is frozen ends all the same when it is killed.
            using Cgroup group = Cgroup.Create(name = $"{RunGroup.UnifiedPath}/{name}");
            Assert.Equal("the number recurred; the stranger lives\n",
                Sandboxed("--recycled-process", name, hierarchies.V2!.MountPoint + name, attack));
            group.Delete();
            return;
        }

        // In a hierarchy of version 1 without a freezer: nobody is held still.
        Assert.SkipUnless(hierarchies.V1.TryGetValue("pids", out CgroupMount? mount), "needs the pids controller on version 1");
        string path = mount!.MountPoint + (mount.Self == "/" ? "" : mount.Self) + "/" + name;
        Directory.CreateDirectory(path);
        try
        {
            Assert.Equal("the number recurred; the stranger lives\n", Sandboxed("--recycled-process", name, path, attack));
        }
        finally
        {
            Directory.Delete(path);
        }
    }

    [Fact]
    public async Task No_bystander_with_a_mount_namespace_of_its_own_is_killed_beside_containers_in_a_loop()
    {
        Host.NeedsRoot();
        Host.NeedsTool("gcc");
        using var directory = new TemporaryDirectory();
        string program = Attack(directory);
        int bystanders = Host.IsLong ? 20_000 : 1_000, containers = bystanders / 20;
        string victim = Path.Combine(AppContext.BaseDirectory, "Isolation.Testing.Victim.dll");
        string loops = string.Join(" & ", new[] { "cgroup", "privileged", "user namespace", "mount namespace", "joined" }
            .Select(kind => $"dotnet {victim} --beside-strangers '{kind}' {containers} /bin/sleep 0.02"));
        (int code, string said) = await Task.Run(() => Host.Run("unshare", "-p", "-f", "-m", "--mount-proc", "--kill-child", "sh", "-c",
            $"{loops} & {program} bystanders {bystanders}; wait"));
        Assert.Equal(0, code);
        Assert.Contains($"bystanders {bystanders} killed 0\n", said);
        Assert.Equal(5, said.Split($"containers {containers}, failed 0, timed out 0, witnesses killed 0").Length - 1);
        TestContext.Current.TestOutputHelper?.WriteLine(said);
    }

    [Fact]
    public void What_nothing_would_tell_from_others_is_refused_by_name()
    {
        Host.NeedsRoot();
        ContainerBuilder builder = Box.Builder("/bin/true").WithNamespacesSharedWithHost(NamespaceKinds.Pid)
            .WithCgroup(CgroupUse.SharedWithParent);
        Assert.NotNull(builder.Plan());
        foreach (ContainerBuilder free in new[] { builder.WithSeccompUnconfined(),
            builder.WithCapabilities(CapabilitySet.Parse("CAP_SYS_ADMIN")) })
        {
            KernelFeatureException e = Assert.Throws<KernelFeatureException>(() => free.Plan());
            Assert.Equal("This host cannot provide a container in the PID namespace of others: its processes could not be told from "
                + "theirs for certain: it has no control group, no user namespace of its own, and its program "
                + "may leave its mount namespace. "
                + "Give it a PID namespace, a control group or a user namespace of its own, or take CAP_SYS_ADMIN from it and leave "
                + "it the default seccomp filter.", e.Message);
            Assert.NotNull(free.WithCgroup(CgroupUse.Auto).Plan());
            Assert.NotNull(free.WithCapabilities(CapabilitySet.DockerDefault).WithUserNamespace(UserNamespaceMode.New).Plan());
        }
    }

    /// <summary>Runs the victim where it sees nobody else, if this user can.</summary>
    private static string Sandboxed(params string[] arguments)
    {
        string[] victim = ["dotnet", Path.Combine(AppContext.BaseDirectory, "Isolation.Testing.Victim.dll"), .. arguments];
        return Host.IsRoot
            ? Host.Run("unshare", ["-p", "-f", "-m", "--mount-proc", "--kill-child", .. victim]).Output
            : Host.Run(victim[0], victim[1..]).Output;
    }

    private static string Attack(TemporaryDirectory directory)
    {
        string program = Path.Combine(directory.Path, "attack");
        (int code, string said) = Host.Run("gcc", "-w", "-O1", "-static", "-o", program, directory.Write("attack.c", Source));
        Assert.True(code == 0, said);
        return program;
    }
}
