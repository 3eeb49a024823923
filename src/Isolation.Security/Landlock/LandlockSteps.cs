using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>Lowers a ruleset to steps: made, filled and put in force in one go, in the thread that is restricted.</summary>
internal static class LandlockSteps
{
    internal static IEnumerable<PlanStep> Restrict(LandlockRuleset ruleset, LandlockReport report)
    {
        Slot file = new("ruleset");
        bool quiet = report.Abi >= LandlockRights.QuietAbi;
        LandlockRights silent = quiet ? ruleset.QuietRights.Intersect(report.Enforced) : LandlockRights.None;
        // struct landlock_ruleset_attr: handled_access_fs, handled_access_net, scoped, quiet_access_fs, quiet_access_net,
        // quiet_scoped. Older kernels take trailing zeros.
        ulong[] words = [(ulong)report.Enforced.Files, (ulong)report.Enforced.Net, (ulong)report.Enforced.Scopes, (ulong)silent.Files,
            (ulong)silent.Net, (ulong)silent.Scopes];
        yield return new PlanStep("create", "a Landlock ruleset",
            [new SyscallStep(Syscall.landlock_create_ruleset, StepArgument.Words($"{{{report.Enforced}}}", words), words.Length * 8, 0)
            {
                Result = file
            }]);
        foreach (LandlockPathRule rule in ruleset.Paths.Where(r => (r.Access & report.Enforced.Files) != 0 || (r.Quiet && quiet)))
            yield return AllowPath(rule, rule.Access & report.Enforced.Files, file);
        foreach (LandlockPortRule rule in ruleset.Ports.Where(r => (r.Access & report.Enforced.Net) != 0))
            yield return AllowPort(rule, rule.Access & report.Enforced.Net, file);
        uint flags = (uint)report.Logging | (report.AllThreads ? LandlockAbi.LANDLOCK_RESTRICT_SELF_TSYNC : 0);
        yield return new PlanStep("restrict", report.AllThreads ? "all threads by Landlock" : "the thread by Landlock",
        [
            new SyscallStep(Syscall.landlock_restrict_self, file,
                StepArgument.Flags(flags, report.AllThreads ? $"TSYNC|{report.Logging}" : $"{report.Logging}")),
            new SyscallStep(Syscall.close, file),
        ])
        {
            Hint = errno => errno switch
            {
                Errno.EPERM => "Without CAP_SYS_ADMIN the no_new_privs bit must be set first.",
                Errno.E2BIG => "A thread has at most 16 rulesets.",
                _ => null,
            },
        };
    }

    private static PlanStep AllowPath(LandlockPathRule rule, LandlockFileAccess access, Slot ruleset)
    {
        Slot path = new("path");
        uint flags = rule.Quiet ? LandlockAbi.LANDLOCK_ADD_RULE_QUIET : 0;
        LandlockFileAccess ofFiles = access & LandlockPathRule.OfFiles;
        // A file takes no rights that only directories have: then those that it takes are tried, where there are any.
        var calls = ImmutableArray.CreateBuilder<SyscallStep>();
        SyscallStep close = new(Syscall.close, path);
        if (ofFiles == access)
            calls.AddRange(Add(ruleset, path, access, flags), close);
        else if (ofFiles == 0)
            calls.AddRange(Add(ruleset, path, access, flags) with { Tolerated = [Errno.EINVAL] }, close);
        else
        {
            Slot again = new("path");
            calls.AddRange(
                Add(ruleset, path, access, flags) with { Tolerated = [Errno.EINVAL], SkipOnSuccess = 3 },
                Open(rule.Path, again),
                Add(ruleset, again, ofFiles, flags),
                new SyscallStep(Syscall.close, again),
                close);
        }

        SyscallStep open = Open(rule.Path, path);
        calls.Insert(0,
            rule.Optional ? open with { Tolerated = [Errno.ENOENT, Errno.ENOTDIR], SkipOnTolerated = (sbyte)calls.Count } : open);
        return new PlanStep($"allow {new LandlockRights(access)} below", $"\"{rule.Path}\"", calls.ToImmutable())
        {
            Hint = errno => errno == Errno.ENOENT ? "A path that need not exist can be allowed if it exists." : null,
        };
    }

    private static SyscallStep Open(string path, Slot file) =>
        new(Syscall.openat, StepArgument.CurrentDirectory, path, StepArgument.Flags(Fcntl.O_PATH | Fcntl.O_CLOEXEC, "O_PATH|O_CLOEXEC"))
        { Result = file };

    // struct landlock_path_beneath_attr { u64 allowed_access; s32 parent_fd; } packed
    private static SyscallStep Add(Slot ruleset, Slot path, LandlockFileAccess access, uint flags)
    {
        var bytes = new byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, (ulong)access);
        StepArgument attribute = new DataArgument($"{{{new LandlockRights(access)}, {path}}}", [.. bytes]) { Slots = [(8, path)] };
        return new SyscallStep(Syscall.landlock_add_rule, ruleset,
            StepArgument.Flags(LandlockAbi.LANDLOCK_RULE_PATH_BENEATH, "LANDLOCK_RULE_PATH_BENEATH"), attribute, flags);
    }

    private static PlanStep AllowPort(LandlockPortRule rule, LandlockNetAccess access, Slot ruleset)
    {
        string port = rule.Port.ToString(CultureInfo.InvariantCulture);
        return new PlanStep($"allow {new LandlockRights(LandlockFileAccess.None, access)} on port", port,
        [
            // struct landlock_net_port_attr { u64 allowed_access, port; }
            new SyscallStep(Syscall.landlock_add_rule, ruleset,
                StepArgument.Flags(LandlockAbi.LANDLOCK_RULE_NET_PORT, "LANDLOCK_RULE_NET_PORT"),
                StepArgument.Words($"{{{access}, {port}}}", (ulong)access, (ulong)rule.Port), 0),
        ]);
    }
}
