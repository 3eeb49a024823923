using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Launching;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>Lowers what concerns the process itself: its parent, descriptors, settings in proc, and the program.</summary>
internal static class ProcessSteps
{
    private static readonly string[] s_streamNames = ["standard input", "standard output", "standard error"];

    /// <summary>Has the kernel kill the process when the launching thread ends, and makes sure that it has not ended already.</summary>
    internal static PlanStep DieWithParent(StepArgument parentPoll) => new("die with", "the parent",
    [
        new SyscallStep(Syscall.prctl, StepArgument.Flags(Prctl.PR_SET_PDEATHSIG, "PR_SET_PDEATHSIG"),
            StepArgument.Flags(Sched.SIGKILL, "SIGKILL")),
        CheckParent(parentPoll),
    ]);

    /// <summary>Finds out whether the launching thread still lives: its pidfd is readable once it is gone.</summary>
    internal static SyscallStep CheckParent(StepArgument parentPoll) =>
        new(Syscall.ppoll, parentPoll, 1, StepArgument.Words("{0, 0}", 0, 0), StepArgument.Null, 8) { Rule = StepRule.NonzeroFails };

    internal static StepArgument ParentPoll(Slot parentThread) =>
        new DataArgument($"[{{fd={parentThread}, events=POLLIN}}]", [0, 0, 0, 0, 1, 0, 0, 0]) { Slots = [(0, parentThread)] };

    internal static PlanStep LiveOnWithoutParent() => new("live on without", "the parent",
        [new SyscallStep(Syscall.prctl, StepArgument.Flags(Prctl.PR_SET_PDEATHSIG, "PR_SET_PDEATHSIG"), 0)]);

    internal static PlanStep Umask(UnixFileMode mask) => new("set file mode creation mask to", MountSteps.Octal(mask),
        [new SyscallStep(Syscall.umask, StepArgument.Flags((uint)mask, MountSteps.Octal(mask)))]);

    internal static PlanStep SetDumpable(bool dumpable) => new(dumpable ? "allow tracing of" : "forbid tracing of", "the process",
        [new SyscallStep(Syscall.prctl, StepArgument.Flags(Prctl.PR_SET_DUMPABLE, "PR_SET_DUMPABLE"), dumpable ? 1 : 0)]);

    internal static PlanStep SetName(string name) => new("take the name", $"\"{name}\"",
        [new SyscallStep(Syscall.prctl, StepArgument.Flags(Prctl.PR_SET_NAME, "PR_SET_NAME"), name)]);

    /// <summary>Tells the parent that its part is due, and waits until it is done. End of file means that the parent is gone.</summary>
    internal static PlanStep AwaitParent(Slot ready, Slot go, Slot goWrite)
    {
        Slot token = new("token");
        StepArgument buffer = new DataArgument("[token]", [0, 0, 0, 0, 0, 0, 0, 0]) { Slots = [(0, token)] };
        return new PlanStep("wait for", "the parent",
        [
            new SyscallStep(Syscall.close, goWrite), // the end of the file must be seen when the parent closes its own
            new SyscallStep(Syscall.write, ready, StepArgument.Bytes([1], "\"\\1\""), 1),
            new SyscallStep(Syscall.read, go, buffer, 1) { Rule = StepRule.ZeroFails },
        ]);
    }

    /// <summary>Writes a file of the process's own proc, reached from a descriptor without any link that could lead elsewhere.</summary>
    internal static PlanStep WriteOwnProc(string action, string subject, string path, string text, Func<Errno, string?>? hint = null)
    {
        Slot file = new("file");
        return new PlanStep(action, subject,
        [
            new SyscallStep(Syscall.openat, StepArgument.CurrentDirectory, path,
                StepArgument.Flags(Fcntl.O_WRONLY | Fcntl.O_CLOEXEC, "O_WRONLY|O_CLOEXEC")) { Result = file },
            .. WriteAndClose(file, text),
        ])
        {
            Hint = hint,
        };
    }

    internal static PlanStep OomScoreAdj(int score) => WriteOwnProc("set oom_score_adj to", score.ToString(CultureInfo.InvariantCulture),
        "/proc/self/oom_score_adj", score.ToString(CultureInfo.InvariantCulture),
        errno => errno is Errno.EACCES or Errno.EPERM ? "Lowering it needs CAP_SYS_RESOURCE in the initial user namespace." : null);

    /// <summary>Writes a kernel setting through the container's own proc mount, below whose descriptor
    /// nothing can be placed by the image.</summary>
    internal static PlanStep Sysctl(string name, string value, Slot proc)
    {
        Slot file = new("sysctl");
        string path = "sys/" + name.Replace('.', '/');
        return new PlanStep($"set sysctl {name} to", MountSteps.Quote(value),
        [
            InRoot.OpenAt2(proc, path, Fcntl.O_WRONLY,
                OpenAt2Abi.RESOLVE_BENEATH | OpenAt2Abi.RESOLVE_NO_SYMLINKS | OpenAt2Abi.RESOLVE_NO_XDEV) with { Result = file },
            .. WriteAndClose(file, value),
        ])
        {
            Hint = errno => errno switch
            {
                Errno.ENOENT => "This kernel has no such setting.",
                Errno.EINVAL => "The kernel does not take this value.",
                Errno.EACCES or Errno.EPERM => "The setting may not be written in this user namespace.",
                _ => null,
            },
        };
    }

    internal static IEnumerable<PlanStep> WorkingDirectory(string path, bool create, InRoot paths)
    {
        Slot directory = new("cwd");
        ImmutableArray<SyscallStep> open = create
            ? paths.EnsureDirectory(path, directory)
            : [paths.Open(path, directory, Fcntl.O_DIRECTORY(paths.Architecture))];
        // Entered by descriptor: getcwd is inside the root, whatever links the path has.
        yield return new PlanStep("enter working directory", MountSteps.Quote(path), [.. open, new SyscallStep(Syscall.fchdir, directory)])
        {
            Hint = errno => errno switch
            {
                Errno.ENOENT => "It does not exist in the root; it can be made on request.",
                Errno.ELOOP => "Links to it through /proc/PID/fd, cwd or root are refused, since they may lead out of the root.",
                _ => InRoot.Hint(errno, path),
            },
        };
    }

    internal static PlanStep NewSession() => new("start", "a new session", [new SyscallStep(Syscall.setsid)]);

    internal static PlanStep ConnectStream(int stream, Slot source) =>
        new("connect", s_streamNames[stream], [new SyscallStep(Syscall.dup3, source, stream, 0)]);

    internal static string StreamName(int stream) => s_streamNames[stream];

    /// <summary>Closes everything but the standard streams at the start of the program.</summary>
    internal static PlanStep CloseOthers() => new("close", "all other descriptors at the start of the program",
        [new SyscallStep(Syscall.close_range, 3, StepArgument.Flags(uint.MaxValue, "~0"),
            StepArgument.Flags(Fcntl.CLOSE_RANGE_CLOEXEC, "CLOSE_RANGE_CLOEXEC"))]);

    internal static PlanStep PassDescriptor(Slot source, int target) => new("pass descriptor",
        target.ToString(CultureInfo.InvariantCulture),
        [new SyscallStep(Syscall.dup3, source, target, 0)]);

    internal static PlanStep ResetSignals(HostFacts facts) => new("reset", "signals", SignalSteps.ResetAll(facts.IgnoredSignals));

    /// <summary>Executes the program, searching the path as execvp(3) does:
    /// a file that may not be executed is told only if no other is found.</summary>
    internal static PlanStep Execute(ImmutableArray<string> command, IReadOnlyDictionary<string, string> environment)
    {
        StepArgument arguments = StepArgument.StringArray(command);
        StepArgument variables = StepArgument.Variables(environment);
        ImmutableArray<string> candidates = command[0].Contains('/', StringComparison.Ordinal)
            ? [command[0]]
            : [.. environment["PATH"].Split(':').Where(d => d.StartsWith('/')).Select(d => $"{d.TrimEnd('/')}/{command[0]}")];
        if (candidates.IsEmpty)
            throw new SpecException(new SpecFault("process.env", "must have a PATH with an absolute directory to search for the program in",
                environment["PATH"]));
        SyscallStep Call(string path, params ImmutableArray<Errno> tolerated) =>
            new(Syscall.execve, path, arguments, variables) { Tolerated = tolerated };
        return new PlanStep("execute", MountSteps.Quote(command[0]), candidates.Length == 1
            ? [Call(candidates[0])]
            : [
                .. candidates.Select(c => Call(c, Errno.ENOENT, Errno.ENOTDIR, Errno.EACCES)),
                .. candidates[..^1].Select(c => Call(c, Errno.ENOENT, Errno.ENOTDIR)),
                Call(candidates[^1]),
            ])
        {
            Hint = errno => ExecuteHint(errno, command[0], environment["PATH"]),
        };
    }

    private static string? ExecuteHint(Errno errno, string program, string path) => errno switch
    {
        Errno.ENOENT or Errno.ENOTDIR when !program.Contains('/', StringComparison.Ordinal) =>
            $"The command was not found in the root: PATH is \"{path}\".",
        Errno.ENOENT or Errno.ENOTDIR => "The file does not exist in the root, or the interpreter or loader that it names does not.",
        Errno.EACCES => "The file is not executable, is a directory, or lies on a noexec mount.",
        Errno.ENOEXEC => "The file is neither a program of this architecture nor a script with a #! line.",
        _ => null,
    };

    private static ImmutableArray<SyscallStep> WriteAndClose(Slot file, string text) =>
    [
        new SyscallStep(Syscall.write, file, text, System.Text.Encoding.UTF8.GetByteCount(text)),
        new SyscallStep(Syscall.close, file),
    ];
}
