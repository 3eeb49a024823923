using System.Runtime.InteropServices;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Launching;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Cgroups;

/// <summary>A small process that outlives this one by a moment: when this one ends, by whatever means, it kills what is left in the control groups of
/// its containers, and removes them.</summary>
/// <remarks>It is a sealed image like that of a launch: a few hundred system calls, no runtime. It waits for this process's pidfd, and
/// finds the names in memory that both share, where this process writes and erases them without a system call. All signals are blocked in it.</remarks>
internal sealed class CgroupReaper
{
    internal const int Entries = 128;

    private const int EntrySize = 256, KillOffset = 128;
    private const ulong TableAddress = 0x1000_0000;

    private static readonly Lock s_gate = new();
    private static readonly List<CgroupReaper> s_reapers = [];

    private readonly SharedMemory _table = new("isolation-reaper", Entries * EntrySize);
    private readonly bool[] _used = new bool[Entries];
    private readonly string[] _parents;
    private readonly LaunchProgram _program;
    private readonly Slot _tableSlot = new("table");
    private PidHandle? _process;

    private CgroupReaper(string[] parents)
    {
        _parents = parents;
        _program = Program();
    }

    /// <summary>One control group that is removed should this process end before it does so itself.</summary>
    internal sealed class Registration(CgroupReaper reaper, int entry)
    {
        /// <summary>It was removed in the ordinary way.</summary>
        internal void Erase()
        {
            lock (s_gate)
            {
                reaper._table.WriteText(entry * EntrySize, KillOffset, "");
                reaper._used[entry] = false;
            }
        }

        internal void Write(string name)
        {
            reaper._table.WriteText((entry * EntrySize) + KillOffset, EntrySize - KillOffset, name + "/cgroup.kill");
            reaper._table.WriteText(entry * EntrySize, KillOffset, name);
        }
    }

    /// <summary>Reserves a place, and makes sure that a reaper runs which will look at it. Not on a launcher thread: it may have to launch.</summary>
    /// <param name="parents">The directories that control groups are made in, version 2's first.</param>
    internal static Registration Register(string[] parents)
    {
        lock (s_gate)
        {
            CgroupReaper? reaper = s_reapers.Find(r => r._parents.SequenceEqual(parents) && Array.IndexOf(r._used, false) >= 0);
            if (reaper is null)
            {
                reaper = new CgroupReaper(parents);
                s_reapers.Add(reaper);
            }

            reaper.EnsureRunning();
            int entry = Array.IndexOf(reaper._used, false);
            reaper._used[entry] = true;
            return new Registration(reaper, entry);
        }
    }

    private void EnsureRunning()
    {
        if (_process is { HasExited: false })
            return;
        if (_process is not null)
        {
            WaitSyscalls.Reap(_process.Descriptor, block: true);
            _process.Dispose();
        }

        var request = new Request(this);
        LaunchQueue.Post(request);
        _process = request.Started.GetAwaiter().GetResult();
    }

    private LaunchProgram Program()
    {
        Slot self = new("parent-process"), report = new("report"), image = new("sealed-image"), file = new("file");
        Slot[] directories = [.. _parents.Select((_, i) => new Slot($"parent-{i}"))];
        uint directoryFlag = Fcntl.O_DIRECTORY(RuntimeInformation.ProcessArchitecture) | Fcntl.O_CLOEXEC;
        var writer = new SyscallProgramWriter(RuntimeInformation.ProcessArchitecture);
        writer.Add(new SyscallStep(Syscall.pidfd_open, Environment.ProcessId, 0) { Result = self });
        for (int i = 0; i < directories.Length; i++)
            writer.Add(new SyscallStep(Syscall.openat, StepArgument.CurrentDirectory, _parents[i], StepArgument.Flags(directoryFlag, "O_DIRECTORY|O_CLOEXEC")) { Result = directories[i] });
        var parent = new StepRange(0, writer.Count);
        writer.Add(SealedSteps.Execute(image, [self, _tableSlot, report, .. directories], "isolation-reaper").Calls.AsSpan());
        var borrowed = new StepRange(parent.End, writer.Count);
        writer.Add(
            new SyscallStep(Syscall.setsid),
            new SyscallStep(Syscall.prctl, StepArgument.Flags(Prctl.PR_SET_NAME, "PR_SET_NAME"), "isolation-reap"),
            new SyscallStep(Syscall.mmap, TableAddress, Entries * EntrySize, Mman.PROT_READ, Mman.MAP_SHARED | Mman.MAP_FIXED, _tableSlot, 0),
            new SyscallStep(Syscall.close, _tableSlot),
            new SyscallStep(Syscall.chdir, "/"),
            new SyscallStep(Syscall.close_range, 0, 2, 0)); // whoever reads this process's output must not wait for the reaper
        // The one that it reports to may be gone already: then there is all the more to do.
        writer.Add(SealedSteps.ReportReady(report).Calls[0] with { Tolerated = [Errno.EPIPE] });
        writer.Add(new SyscallStep(Syscall.close, report));
        writer.Add(new SyscallStep(Syscall.ppoll, new DataArgument("[{parent, POLLIN}]", [0, 0, 0, 0, 1, 0, 0, 0]) { Slots = [(0, self)] }, 1, StepArgument.Null, StepArgument.Null, 8));
        for (int entry = 0; entry < Entries; entry++)
            AddCleanup(writer, entry, directories, file);
        writer.Add(new SyscallStep(Syscall.exit_group, 0));
        return LaunchProgram.OfImage(writer.Build(), parent, borrowed, image, report, [self, .. directories]);
    }

    /// <summary>Kills by version 2's directory, then removes each hierarchy's, as soon as the killed are gone.</summary>
    private static void AddCleanup(SyscallProgramWriter writer, int entry, Slot[] directories, Slot file)
    {
        ulong name = TableAddress + (ulong)(entry * EntrySize);
        StepArgument nameArgument = StepArgument.Word(name, $"name[{entry}]"), killArgument = StepArgument.Word(name + KillOffset, $"kill[{entry}]");
        StepArgument pause = StepArgument.Words("{0, 5 ms}", 0, 5_000_000);
        SyscallStep[] kill =
        [
            new(Syscall.openat, directories[0], killArgument, StepArgument.Flags(Fcntl.O_WRONLY | Fcntl.O_CLOEXEC, "O_WRONLY|O_CLOEXEC")) { Result = file, Tolerated = [Errno.ENOENT, Errno.ENODEV, Errno.EACCES], SkipOnTolerated = 2 },
            new(Syscall.write, file, "1", 1) { Tolerated = [Errno.ENODEV, Errno.EOPNOTSUPP] },
            new(Syscall.close, file),
        ];
        var remove = new List<SyscallStep>();
        foreach (Slot directory in directories)
        {
            remove.Add(new SyscallStep(Syscall.faccessat, directory, nameArgument, 0) { Tolerated = [Errno.ENOENT], SkipOnTolerated = 2 });
            remove.Add(new SyscallStep(Syscall.unlinkat, directory, nameArgument, StepArgument.Flags(Fcntl.AT_REMOVEDIR, "AT_REMOVEDIR")) { Tolerated = [Errno.EBUSY, Errno.ENOENT], SkipOnSuccess = 1 });
            remove.Add(new SyscallStep(Syscall.nanosleep, pause, StepArgument.Null) { SkipOnSuccess = -3 });
        }

        // An empty name is none: nothing of the entry is done.
        SyscallStep present = new(Syscall.faccessat, directories[0], nameArgument, 0) { Tolerated = [Errno.ENOENT], SkipOnTolerated = (sbyte)kill.Length };
        writer.Add([present, .. kill, .. remove]);
    }

    private sealed class Request(CgroupReaper reaper) : LaunchRequest
    {
        private readonly TaskCompletionSource<PidHandle> _started = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal Task<PidHandle> Started => _started.Task;

        internal override LaunchProgram Program => reaper._program;

        internal override void Prepare(ProgramMemory memory) => memory.SlotValue(reaper._tableSlot) = reaper._table.Handle.Descriptor;

        internal override void OnStarted(PidHandle process, ProgramMemory memory) => _started.SetResult(process);

        internal override void OnFailed(StepFailure failure) =>
            _started.SetException(new LinuxException("start", "the process that cleans up after this one", Program.Program.Steps[failure.Index].CallName, failure.Errno));

        internal override void OnFailed(Exception exception) => _started.SetException(exception);
    }
}
