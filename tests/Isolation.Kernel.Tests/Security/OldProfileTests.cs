using System.Text.Json.Nodes;
using Isolation.Containers;
using Isolation.Security;

namespace Isolation.Kernel.Tests.Security;

/// <summary>Profiles that are older than the C library and know nothing of the calls that it makes first.</summary>
/// <remarks>glibc begins a thread by clone3(2) since 2.34 and looks at files by statx(2) or faccessat2(2); it makes the older call upon
/// <c>ENOSYS</c> only. Docker's first profile, of February 2016, ends at execveat(2) of Linux 3.19.</remarks>
public class OldProfileTests
{
    private const string Source = """
        #include <errno.h>
        #include <pthread.h>
        #include <stdio.h>
        #include <string.h>
        #include <sys/syscall.h>
        #include <unistd.h>
        static void *run(void *told) { return told; }
        int main(void)
        {
            pthread_t thread;
            void *told = 0;
            int error = pthread_create(&thread, 0, run, "thread");
            if (error) { printf("%s\n", strerror(error)); return 1; }
            pthread_join(thread, &told);
            puts(told);
            errno = 0;
            syscall(9999);
            puts(strerror(errno));
            return 0;
        }
        """;

    private static (int Code, string Output) Launcher(params string[] arguments) =>
        Host.Run("dotnet", [Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll"), .. arguments]);

    private static SyscallTable Table => SyscallTable.For(SeccompFilter.Default.Architectures[0]);

    /// <summary>A list of what is allowed, as Docker's were: clone(2) where it makes no namespaces, nothing of tracing and
    /// mounts.</summary>
    private static string Profile(string newest, params string[] further)
    {
        string[] refused = [.. new[] { "@mount", "@module", "@reboot", "@swap", "@keyring" }
            .SelectMany(g => SyscallGroup.Named(g).Syscalls), "clone", "clone3", "ptrace", "unshare", "setns"];
        JsonNode[] names = [.. Table.Names.Where(n => Table.Number(n) <= Table.Number(newest)).Except(refused).Concat(further)
            .Order(StringComparer.Ordinal).Select(n => (JsonNode)n)];
        return new JsonObject
        {
            ["defaultAction"] = "SCMP_ACT_ERRNO",
            ["archMap"] = JsonNode.Parse("""
                [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
                 {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]}]
                """),
            ["syscalls"] = new JsonArray(
                new JsonObject { ["names"] = new JsonArray(names), ["action"] = "SCMP_ACT_ALLOW" },
                JsonNode.Parse("""
                    {"names": ["clone"], "action": "SCMP_ACT_ALLOW",
                     "args": [{"index": 0, "value": 2080505856, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]}
                    """)),
        }.ToJsonString();
    }

    private static string Compile(TemporaryDirectory directory)
    {
        Host.NeedsTool("gcc");
        string program = Path.Combine(directory.Path, "threads");
        (int code, string said) = Host.Run("gcc", "-w", "-O1", "-pthread", "-o", program, directory.Write("threads.c", Source));
        Assert.True(code == 0, said);
        return program;
    }

    [Fact]
    public async Task A_thread_starts_under_a_profile_that_is_older_than_clone3()
    {
        using var directory = new TemporaryDirectory();
        Compile(directory);
        SeccompFilter filter = SeccompProfile.Read(Profile("execveat"));
        ContainerBuilder builder = Box.Builder("/mnt/threads").AddMount(new Namespaces.BindMount(directory.Path, "/mnt"));
        Assert.Equal("thread\nFunction not implemented", await builder.WithSeccomp(filter).OutputAsync());
        // As it was: what is not named is refused, and glibc makes no other call.
        (ContainerResult result, string output) = await builder.WithSeccomp(filter.WithNewerSyscalls(null)).RunAndReadAsync();
        Assert.Equal((1, "Operation not permitted\n"), (result.Status.Code, output));
    }

    // Docker's from 20.10.0 to 20.10.9: faccessat2 (439) is named, clone3 (435) is not. runc does the same.
    [Fact]
    public async Task A_profile_that_names_newer_calls_than_clone3_refuses_it()
    {
        using var directory = new TemporaryDirectory();
        Compile(directory);
        (ContainerResult result, string output) = await Box.Builder("/mnt/threads")
            .AddMount(new Namespaces.BindMount(directory.Path, "/mnt"))
            .WithSeccomp(SeccompProfile.Read(Profile("execveat", "faccessat2"))).RunAndReadAsync();
        Assert.Equal((1, "Operation not permitted\n"), (result.Status.Code, output));
    }

    [Fact]
    public void The_launcher_reads_profiles_as_the_library_does()
    {
        using var directory = new TemporaryDirectory();
        Compile(directory);
        string old = directory.Write("old.json", Profile("execveat"));
        string list = directory.Write("list.json",
            """{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["ptrace"], "action": "SCMP_ACT_ERRNO"}]}""");
        Assert.Equal((0, "thread\nFunction not implemented\n"), Run(old));
        // Of a list of what is refused the kernel itself says so.
        Assert.Equal((0, "thread\nFunction not implemented\n"), Run(list));
        (int code, string output) = Launcher("seccomp", "explain", old, "clone3");
        Assert.True(code == 0 && output.Contains("newer than execveat, the newest that the profile names"), output);
        (_, output) = Launcher("seccomp", "explain", list, "9999");
        Assert.Contains("the default action holds", output);

        (int Code, string Output) Run(string profile) => Launcher("run", "-v", directory.Path + ":/mnt",
            "--security-opt", "seccomp=" + profile, "/mnt/threads");
    }

    [Fact]
    public async Task A_runtime_with_many_threads_runs_under_an_old_profile()
    {
        Host.NeedsTool("python3");
        const string Threads = "import threading; t = [threading.Thread(target=print, args=(i,)) for i in range(4)]; "
            + "[x.start() for x in t]; [x.join() for x in t]";
        string output = await Box.Builder("python3", "-S", "-c", Threads)
            .WithSeccomp(SeccompProfile.Read(Profile("execveat"))).OutputAsync();
        Assert.Equal(["0", "1", "2", "3"], output.Split('\n').Order());
    }
}
