using System.Text.Json.Nodes;
using Isolation.Linux;
using Isolation.Security;

namespace Isolation.Properties;

/// <summary>runc's rule for calls that are newer than a profile, as the text of the profile says it, against the filter that is
/// read.</summary>
/// <remarks>libcontainer/seccomp/patchbpf of runc: per architecture the highest number that an entry names; above it <c>ENOSYS</c>,
/// unless the default action is ALLOW, LOG or TRACE, or no entry names a call other than number 0. The model differs where
/// docs/seccomp.md says so: calls that are named are decided by what names them, i386's young numbers of old calls and Arm's own calls make
/// no profile younger.</remarks>
public class NewerCallsLaws
{
    private const int Seed = 20261130;

    private static readonly (string Oci, SeccompArchitecture Architecture, uint First, uint End)[] s_architectures =
    [
        ("SCMP_ARCH_X86_64", SeccompArchitecture.X64, 0, 0x40000000), ("SCMP_ARCH_X86", SeccompArchitecture.X86, 0, uint.MaxValue),
        ("SCMP_ARCH_X32", SeccompArchitecture.X32, 0x40000000, uint.MaxValue),
        ("SCMP_ARCH_AARCH64", SeccompArchitecture.Arm64, 0, uint.MaxValue), ("SCMP_ARCH_ARM", SeccompArchitecture.Arm, 0, 0xf0000),
    ];

    // net/socket.c and ipc/syscall.c: what i386 reached through socketcall(2) and ipc(2) alone.
    private static readonly string[] s_multiplexed =
    [
        "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen", "recv", "recvfrom", "recvmmsg",
        "recvmsg", "send", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown", "socket", "socketpair", "msgctl", "msgget", "msgrcv",
        "msgsnd", "semctl", "semget", "semop", "semtimedop", "shmat", "shmctl", "shmdt", "shmget",
    ];

    private static readonly string[] s_actions = ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE", "SCMP_ACT_NOTIFY", "SCMP_ACT_ERRNO",
        "SCMP_ACT_TRAP", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS"];

    [Fact]
    public void Newer_calls_of_any_profile_get_what_runc_gives_them()
    {
        var random = new Random(Seed);
        int newer = 0, calls = 0;
        for (int i = 0; i < RandomFilters.Cases * 2; i++)
        {
            JsonObject profile = Profile(random);
            SeccompFilter filter = SeccompProfile.Read(profile.ToJsonString(), new SeccompProfileHost
            {
                Architecture = s_architectures.First(a => a.Oci == (string?)profile["architectures"]![0]).Architecture,
            });
            SeccompProgram program = filter.Compile();
            string[] named = [.. profile["syscalls"]!.AsArray().SelectMany(e => e!["names"]!.AsArray()).Select(n => (string)n!)];
            foreach (SeccompCall call in RandomFilters.Numbers(random, filter))
            {
                SeccompAction verdict = filter.Explain(call).Action;
                Assert.Equal(verdict, program.Evaluate(call));
                if (call.Name is { } name && named.Contains(name))
                    continue;
                bool isNewer = IsNewer(profile, named, call);
                SeccompAction expected = isNewer ? SeccompAction.Errno(Errno.ENOSYS) : filter.DefaultAction;
                Assert.True(expected == verdict,
                    $"Case {i} of seed {Seed}: {call} gets {verdict}, and by runc's rule {expected}.\n{profile}");
                (newer, calls) = (newer + (isNewer ? 1 : 0), calls + 1);
            }
        }

        TestContext.Current.TestOutputHelper!.WriteLine($"{calls} calls, of which {newer} are newer than their profile");
        Assert.InRange(newer, calls / 10, calls * 9 / 10);
    }

    private static bool IsNewer(JsonObject profile, string[] named, SeccompCall call)
    {
        if ((string?)profile["defaultAction"] is "SCMP_ACT_ALLOW" or "SCMP_ACT_LOG" or "SCMP_ACT_TRACE")
            return false;
        var (_, architecture, _, end) = s_architectures.First(a => a.Architecture == call.Architecture);
        uint[] numbers = [.. named.Where(n => architecture != SeccompArchitecture.X86 || !s_multiplexed.Contains(n))
            .Select(n => SyscallTable.For(architecture).Number(n)).OfType<uint>().Where(n => n < end)];
        uint last = numbers.Length == 0 ? 0 : numbers.Max();
        return last != 0 && call.Number > last && call.Number < end;
    }

    /// <summary>A profile of some age: names up to a number, and now and then a younger one.</summary>
    private static JsonObject Profile(Random random)
    {
        bool arm = random.Next(3) == 0;
        string[] architectures = arm ? ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"] : ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"];
        architectures = architectures[..random.Next(1, architectures.Length + 1)];
        string chosen = architectures[random.Next(architectures.Length)];
        SyscallTable table = SyscallTable.For(s_architectures.First(a => a.Oci == chosen).Architecture);
        uint age = (uint)random.Next(1, 480);
        string[] all = [.. table.Names.Order(StringComparer.Ordinal)];
        string[] old = [.. all.Where(n => (table.Number(n)!.Value & ~0x40000000u) <= age)];
        var entries = new JsonArray();
        for (int i = random.Next(4); i > 0 && old.Length > 0; i--)
        {
            string[] names = random.Next(12) == 0 ? random.GetItems(all, 1) : random.GetItems(old, random.Next(1, 6));
            entries.Add(new JsonObject
            {
                ["names"] = new JsonArray([.. names.Distinct().Select(n => (JsonNode)n)]),
                ["action"] = s_actions[random.Next(s_actions.Length)],
            });
        }

        return new JsonObject
        {
            ["defaultAction"] = s_actions[random.Next(s_actions.Length)],
            ["architectures"] = new JsonArray([.. architectures.Select(a => (JsonNode)a)]),
            ["syscalls"] = entries,
        };
    }
}
