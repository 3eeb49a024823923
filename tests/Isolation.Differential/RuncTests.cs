using System.Globalization;
using System.Text.Json.Nodes;
using Isolation.Linux;
using Isolation.Properties;
using Isolation.Security;
using Isolation.Testing;

namespace Isolation.Differential;

/// <summary>A container of runc's own, with a profile that this library wrote: each call in it gets the filter's answer.</summary>
/// <remarks>runc, libseccomp and the kernel together are the oracle. Filters answer with errnos from 4001 on, which the kernel has none
/// of (its own end at 4095, MAX_ERRNO in linux/err.h, and at 133 in errno.h), so an answer tells who gave it.</remarks>
public class RuncTests
{
    private const int Seed = 20261129, Refused = 4001, Unknown = 4002, CallsPerFilter = 60;

    // Calls that runc and the C library do not make between the loading of the filter and the end of the program, and that do no harm.
    private static readonly string[] s_probed =
        ["ioctl", "socket", "personality", "kcmp", "semop", "fchmod", "getpriority", "connect", "msgget", "setpriority",
            "umask", "inotify_init1"];

    // What runc's init, its Go runtime, and the static probe need.
    private static readonly string[] s_needed =
    [
        "@default", "@basic-io", "@signal", "@timer", "@io-event", "@process", "access", "capget", "capset", "chdir", "clone", "clone3",
        "close", "execve", "exit", "exit_group", "fcntl", "fork", "fstat", "fstatfs", "futex", "getcwd", "getdents64", "getpid", "getppid",
        "gettid", "madvise", "mmap", "mprotect", "munmap", "newfstatat", "openat", "pipe2", "prctl", "readlink",
        "readlinkat", "set_robust_list",
        "sched_yield", "setgroups", "setresgid", "setresuid", "setgid", "setuid", "stat", "statx", "uname", "unlinkat", "wait4", "waitid",
    ];

    // Reads a call a line, makes it in a child, and says what came of it.
    private const string Probe = """
        #define _GNU_SOURCE
        #include <errno.h>
        #include <signal.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <sys/syscall.h>
        #include <sys/wait.h>
        #include <unistd.h>
        static void trapped(int signal) { (void)signal; _exit(2); }
        int main(void)
        {
            char line[512];
            FILE *calls = fopen("/calls", "r");
            while (fgets(line, sizeof line, calls))
            {
                unsigned long w[7], status;
                char *next = line;
                int pipes[2], result = 0, ended;
                for (int i = 0; i < 7; i++) w[i] = strtoul(next, &next, 10);
                if (pipe2(pipes, 0)) return 1;
                fflush(stdout);
                pid_t child = fork();
                if (!child)
                {
                    signal(SIGSYS, trapped);
                    long r = syscall(w[0], w[1], w[2], w[3], w[4], w[5], w[6]);
                    result = r < 0 ? errno : 0;
                    write(pipes[1], &result, sizeof result);
                    _exit(0);
                }
                waitpid(child, &ended, 0);
                close(pipes[1]);
                status = read(pipes[0], &result, sizeof result);
                close(pipes[0]);
                if (WIFSIGNALED(ended)) printf("signal %d\n", WTERMSIG(ended));
                else if (WEXITSTATUS(ended) == 2) puts("trap");
                else if (status == sizeof result && (result >= 4000 || (result == ENOSYS && w[0] > SYS_clone3)))
                    printf("errno %d\n", result);
                else puts("ran");
            }
            puts("end");
            return 0;
        }
        """;

    [Fact]
    public void A_profile_decides_in_a_container_of_runc_as_the_filter_that_it_was_written_from()
    {
        Host.NeedsRoot();
        Host.NeedsTool("runc");
        Host.NeedsTool("gcc");
        var random = new Random(Seed);
        using var bundle = new Bundle();
        int calls = 0, refused = 0, filters = Host.IsLong ? 200 : 10;
        SeccompFilter[] presets = [SeccompFilter.Default, SeccompFilter.DefaultFor(CapabilitySet.None), SeccompFilter.DotNet,
            SeccompFilter.NoNetwork];
        for (int i = 0; i < presets.Length + filters; i++)
        {
            SeccompFilter filter = i < presets.Length ? presets[i] : RandomFilters.AsWritten(random, s_probed, s_actions);
            filter = Told(filter).WithArchitectures(SeccompArchitecture.X64);
            if (RandomFilters.Write(filter) is not { } json)
            {
                refused++;
                continue;
            }

            SeccompCall[] made = [.. Calls(random, filter)];
            string[] answers = bundle.Run(json, made);
            for (int j = 0; j < made.Length; j++)
            {
                SeccompVerdict verdict = filter.Explain(made[j]);
                Assert.True(Expected(verdict.Action) == answers[j],
                    $"Filter {i} of seed {Seed}: the filter says {verdict}\nunder runc: {answers[j]}\n{filter}\n{json}");
                calls++;
            }
        }

        TestContext.Current.TestOutputHelper!.WriteLine(
            $"{calls} calls in {presets.Length + filters - refused} containers of runc; {refused} not written");
        Assert.True(refused <= filters / 5, $"{refused} of {filters} filters could not be written");
    }

    // The probe and runc need clone3 (435). The others came with Linux 5.8 to 5.17, and are asked for with arguments that no kernel takes.
    [Theory]
    [InlineData("")]
    [InlineData("""{"names": ["faccessat2"], "action": "SCMP_ACT_ALLOW"}""")]
    [InlineData("""{"names": ["process_madvise", "no_such_call"], "action": "SCMP_ACT_ERRNO", "errnoRet": 4001}""")]
    [InlineData("""
        {"names": ["futex_waitv"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]}
        """)]
    public void Calls_newer_than_a_profile_do_not_exist_in_a_container_of_runc_either(string entry)
    {
        Host.NeedsRoot();
        Host.NeedsTool("runc");
        Host.NeedsTool("gcc");
        Assert.SkipWhen(KernelVersion.Running < new KernelVersion(5, 17), "needs Linux 5.17, which has all calls that are probed");
        var profile = JsonNode.Parse(RandomFilters.Write(SeccompFilter.Of(SeccompAction.Errno((Errno)Refused)).Allow(s_needed)
            .WithArchitectures(SeccompArchitecture.X64))!)!;
        JsonArray entries = profile["syscalls"]!.AsArray();
        // Without what names the newest calls of the table.
        foreach (JsonNode? refused in entries.Where(e => (string?)e!["action"] == "SCMP_ACT_ERRNO").ToArray())
            entries.Remove(refused);
        if (entry.Length > 0)
            entries.Add(JsonNode.Parse(entry));
        SeccompFilter filter = SeccompProfile.Read(profile.ToJsonString(),
            new SeccompProfileHost { Architecture = SeccompArchitecture.X64 });
        ulong[] nonsense = [.. Enumerable.Repeat(ulong.MaxValue, 6)];
        SeccompCall[] made = [.. new uint[] { 324, 434, 437, 438, 439, 440, 441, 447, 449, 450, 9999, 0x10000, 0x3fffffff }
            .Select(n => SeccompCall.Of(SeccompArchitecture.X64, n, nonsense))];
        using var bundle = new Bundle();
        string[] answers = bundle.Run(profile.ToJsonString(), made);
        Assert.Equal(made.Select(c => $"{c.Number}: {Expected(filter.Explain(c).Action)}"),
            made.Zip(answers, (c, a) => $"{c.Number}: {a}"));
        Assert.Contains("errno 38", answers);
        Assert.Contains("errno 4001", answers);
    }

    private static readonly SeccompAction[] s_actions =
    [
        SeccompAction.Allow, SeccompAction.Log, SeccompAction.Errno((Errno)Refused), SeccompAction.Errno((Errno)Unknown),
        SeccompAction.KillProcess, SeccompAction.KillThread, SeccompAction.Trap(),
    ];

    /// <summary>The same filter with errnos of its own, and with what runc and the probe need before they can probe.</summary>
    private static SeccompFilter Told(SeccompFilter filter)
    {
        SeccompFilter told = SeccompFilter.Of(Told(filter.DefaultAction))
            .WithRules([.. filter.Rules.Select(r => r with { Action = Told(r.Action) })], []);
        if (told.DefaultAction.MayRun)
            return told;
        foreach (string name in s_needed)
            told = told.Allow(name);
        return told;
    }

    private static SeccompAction Told(SeccompAction action) => action.Kind != SeccompActionKind.Errno || action.Data >= Refused
        ? action
        : SeccompAction.Errno((Errno)(action.Data == (uint)Errno.ENOSYS ? Unknown : Refused));

    private static IEnumerable<SeccompCall> Calls(Random random, SeccompFilter filter)
    {
        for (int i = 0; i < CallsPerFilter; i++)
        {
            string name = s_probed[i % s_probed.Length];
            yield return SeccompCall.Of(SeccompArchitecture.X64, SyscallTable.For(SeccompArchitecture.X64).Number(name)!.Value,
                RandomFilters.Arguments(random, filter, name));
        }
    }

    // seccomp(2): what becomes of a call.
    private static string Expected(SeccompAction action) => action.Kind switch
    {
        SeccompActionKind.Allow or SeccompActionKind.Log => "ran",
        SeccompActionKind.Errno => string.Create(CultureInfo.InvariantCulture, $"errno {action.Data}"),
        SeccompActionKind.Trap => "trap",
        _ => "signal 31",
    };

    /// <summary>A bundle of the OCI runtime specification around the probe.</summary>
    private sealed class Bundle : IDisposable
    {
        private readonly TemporaryDirectory _directory = new();
        private readonly string _name = string.Create(CultureInfo.InvariantCulture, $"isolation-runc-{Environment.ProcessId}");

        internal Bundle()
        {
            Directory.CreateDirectory(_directory.Path + "/rootfs/proc");
            (int code, string said) = Host.Run("gcc", "-w", "-O1", "-static", "-o", _directory.Path + "/rootfs/probe",
                _directory.Write("probe.c", Probe));
            Assert.True(code == 0, said);
        }

        internal string[] Run(string profile, SeccompCall[] calls)
        {
            File.WriteAllLines(_directory.Path + "/rootfs/calls",
                calls.Select(c => string.Create(CultureInfo.InvariantCulture, $"{c.Number} {string.Join(' ', c.Arguments)}")));
            File.WriteAllText(_directory.Path + "/config.json", Configuration(profile));
            (int code, string said) = Host.Run("runc", "--root", _directory.Path + "/state", "run", "--bundle", _directory.Path, _name);
            string[] answers = said.TrimEnd().Split('\n');
            Assert.True(code == 0 && answers.Length == calls.Length + 1 && answers[^1] == "end",
                $"runc ended with {code}: {said}\n{profile}");
            return answers;
        }

        private string Configuration(string profile) => new JsonObject
        {
            ["ociVersion"] = "1.0.2",
            ["process"] = new JsonObject
            {
                ["user"] = new JsonObject { ["uid"] = 0, ["gid"] = 0 },
                ["args"] = new JsonArray("/probe"),
                ["cwd"] = "/",
                ["noNewPrivileges"] = true,
            },
            ["root"] = new JsonObject { ["path"] = "rootfs", ["readonly"] = true },
            ["mounts"] = new JsonArray(new JsonObject { ["destination"] = "/proc", ["type"] = "proc", ["source"] = "proc" }),
            ["linux"] = new JsonObject
            {
                ["cgroupsPath"] = "/" + _name,
                ["namespaces"] = new JsonArray([.. new[] { "pid", "mount", "ipc", "uts", "network" }
                    .Select(n => new JsonObject { ["type"] = n })]),
                ["seccomp"] = JsonNode.Parse(profile),
            },
        }.ToJsonString();

        public void Dispose() => _directory.Dispose();
    }
}
