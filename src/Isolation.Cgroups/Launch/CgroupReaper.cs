using Isolation.Linux;
using Isolation.Linux.Launching;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Cgroups;

/// <summary>A small process that outlives this one by a moment: when this one ends, by whatever means, it kills what is left in the control
/// groups of its containers, and removes them.</summary>
/// <remarks>It is a sealed image like that of a launch: a few hundred system calls, no runtime. It waits for this process's pidfd, and
/// finds the names in memory that both share, where this process writes and erases them without a system call.
/// What it does then is told by <see cref="CgroupReaperProgram"/>. All signals are blocked in it.</remarks>
internal sealed class CgroupReaper
{
    internal const int Entries = 128;
    internal const int EntrySize = 256, KillOffset = 128;

    private static readonly Lock s_gate = new();
    private static readonly List<CgroupReaper> s_reapers = [];

    private readonly SharedMemory _table = new("isolation-reaper", Entries * EntrySize);
    private readonly bool[] _used = new bool[Entries];
    private readonly string[] _parents;
    private readonly LaunchProgram _program;
    private readonly Slot _tableSlot = new("table");
    private PidHandle? _process;

    private CgroupReaper(string[] parents, bool isV2)
    {
        _parents = parents;
        _program = new CgroupReaperProgram(parents, isV2, _tableSlot).Launch;
    }

    /// <summary>One control group that is removed should this process end before it does so itself.</summary>
    internal sealed class Registration(CgroupReaper reaper, int entry)
    {
        /// <summary>It was removed in the ordinary way.</summary>
        internal void Erase()
        {
            lock (s_gate)
            {
                reaper._table.WriteText((entry * EntrySize) + KillOffset, EntrySize - KillOffset, "");
                reaper._table.WriteText(entry * EntrySize, KillOffset, "");
                reaper._used[entry] = false;
            }
        }

        /// <summary>It is about to be made, under a name that somebody else may take first:
        /// removed where nothing is in it, and nobody is killed.</summary>
        internal void WriteName(string name) => reaper._table.WriteText(entry * EntrySize, KillOffset, name);

        /// <summary>It is this process's own: whatever is in it is killed.</summary>
        internal void Write(string name)
        {
            WriteName(name);
            reaper._table.WriteText((entry * EntrySize) + KillOffset, EntrySize - KillOffset, name);
        }
    }

    /// <summary>Reserves a place, and makes sure that a reaper runs which will look at it.
    /// Not on a launcher thread: it may have to launch.</summary>
    /// <param name="parents">The directories that control groups are made in, the one first by which their members are
    /// killed: version 2's, or the freezer's.</param>
    /// <param name="isV2">Whether the first is version 2's.</param>
    internal static Registration Register(string[] parents, bool isV2)
    {
        lock (s_gate)
        {
            CgroupReaper? reaper = s_reapers.Find(r => r._parents.SequenceEqual(parents) && Array.IndexOf(r._used, false) >= 0);
            if (reaper is null)
            {
                reaper = new CgroupReaper(parents, isV2);
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
            WaitSyscalls.Reap(_process, block: true);
            _process.Dispose();
        }

        var request = new Request(this);
        LaunchQueue.Post(request);
        _process = request.Started.GetAwaiter().GetResult();
    }

    private sealed class Request(CgroupReaper reaper) : LaunchRequest
    {
        private readonly TaskCompletionSource<PidHandle> _started = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal Task<PidHandle> Started => _started.Task;

        internal override LaunchProgram Program => reaper._program;

        internal override void Prepare(ProgramMemory memory) => memory.SlotValue(reaper._tableSlot) = Held.Hold(reaper._table.Handle);

        internal override void OnStarted(PidHandle process, ProgramMemory memory) => _started.SetResult(process);

        internal override void OnFailed(StepFailure failure) =>
            _started.SetException(new LinuxException("start", "the process that cleans up after this one",
                Program.Program.Steps[failure.Index].CallName, failure.Errno));

        internal override void OnFailed(Exception exception) => _started.SetException(exception);
    }
}
