using System.Runtime.InteropServices;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Launching;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Cgroups;

/// <summary>The system calls of the reaper. All that is left is killed first; what is removed then is removed each by itself, and waited
/// for a bounded time: nothing that one container has done keeps the others from their end.</summary>
/// <remarks>The table's entries are read one after another with the file's own offset, so that each part is one short loop.</remarks>
internal sealed class CgroupReaperProgram
{
    private const int KillSeconds = 5, RemoveSeconds = 5;

    // What is polled has a fixed number: a step that leaves its result inside a struct pollfd would write over the events.
    private const int TimerNumber = 0, SelfNumber = 1;

    private readonly Slot _self = new("parent-process"), _report = new("report"), _image = new("sealed-image");
    private readonly Slot _name = new("name"), _killName = new("kill-name"), _timer = new("timer"), _byte = new("byte");
    private readonly Slot _group = new("group"), _file = new("file"), _list = new("list"), _again = new("list-again"),
        _process = new("pidfd");
    private readonly Slot _number = new("number"), _other = new("other-number"), _any = new("any"),
        _below = new("below"), _next = new("next");
    private readonly Slot[] _directories;
    private readonly DataArgument _entry, _character, _directoryEntry;
    private readonly StepArgument _poll = StepArgument.Words("[{timer, POLLIN}]", TimerNumber | (1ul << 32));
    private readonly bool _isV2;
    private StepFlow _flow = new();
    private int _labels;

    /// <param name="parents">The directories that control groups are made in; members are killed by the first.</param>
    /// <param name="isV2">Whether the first is version 2's.</param>
    /// <param name="table">Where the table's descriptor lies.</param>
    internal CgroupReaperProgram(string[] parents, bool isV2, Slot table)
    {
        _isV2 = isV2;
        _directories = [.. parents.Select((_, i) => new Slot($"parent-{i}"))];
        _entry = new DataArgument("entry", [.. new byte[CgroupReaper.EntrySize]])
        { Slots = [(0, _name), (CgroupReaper.KillOffset, _killName)] };
        _character = new DataArgument("character", [.. new byte[8]]) { Slots = [(0, _byte)] };
        // struct linux_dirent64 { u64 ino; s64 off; u16 reclen; u8 type; char name[]; }: the offset is that of the entry behind it
        _directoryEntry = new DataArgument("directory-entry", [.. new byte[280]]) { Slots = [(8, _next), (19, _below)] };
        uint directoryFlag = Fcntl.O_DIRECTORY(RuntimeInformation.ProcessArchitecture) | Fcntl.O_CLOEXEC;
        var writer = new SyscallProgramWriter(RuntimeInformation.ProcessArchitecture);
        writer.Add(new SyscallStep(Syscall.pidfd_open, Environment.ProcessId, 0) { Result = _self });
        for (int i = 0; i < parents.Length; i++)
            writer.Add(new SyscallStep(Syscall.openat, StepArgument.CurrentDirectory, parents[i],
                StepArgument.Flags(directoryFlag, "O_DIRECTORY|O_CLOEXEC"))
            { Result = _directories[i] });
        var parent = new StepRange(0, writer.Count);
        writer.Add(SealedSteps.Execute(_image, [_self, table, _report, .. _directories], "isolation-reaper").Calls.AsSpan());
        var borrowed = new StepRange(parent.End, writer.Count);
        AddWaiting(writer);
        AddKilling(writer, table);
        foreach (Slot directory in _directories)
            AddRemoving(writer, table, directory);
        writer.Add(new SyscallStep(Syscall.exit_group, 0));
        Launch = LaunchProgram.OfImage(writer.Build(), parent, borrowed, _image, _report, [_self, .. _directories]);
    }

    internal LaunchProgram Launch { get; }

    private void AddWaiting(SyscallProgramWriter writer)
    {
        writer.Add(
            new SyscallStep(Syscall.setsid),
            new SyscallStep(Syscall.prctl, StepArgument.Flags(Prctl.PR_SET_NAME, "PR_SET_NAME"), "isolation-reap"),
            new SyscallStep(Syscall.chdir, "/"),
            new SyscallStep(Syscall.timerfd_create, 1, StepArgument.Flags(Fcntl.O_CLOEXEC, "TFD_CLOEXEC")) { Result = _timer },
            new SyscallStep(Syscall.close_range, 0, 2, 0)); // whoever reads this process's output must not wait for the reaper
        // The one that it reports to may be gone already: then there is all the more to do.
        writer.Add(SealedSteps.ReportReady(_report).Calls[0] with { Tolerated = [Errno.EPIPE] });
        writer.Add(new SyscallStep(Syscall.close, _report));
        writer.Add(
            new SyscallStep(Syscall.dup3, _timer, TimerNumber, 0),
            new SyscallStep(Syscall.dup3, _self, SelfNumber, 0),
            new SyscallStep(Syscall.ppoll, StepArgument.Words("[{parent, POLLIN}]", SelfNumber | (1ul << 32)), 1, StepArgument.Null,
                StepArgument.Null, 8));
    }

    /// <summary>Goes through the entries: the body begins at label body, and ends with a jump to label next.</summary>
    private void ForEachEntry(SyscallProgramWriter writer, Slot table, Action body)
    {
        _flow = new StepFlow();
        _flow.Add(new SyscallStep(Syscall.lseek, table, 0, StepArgument.Flags(0, "SEEK_SET")));
        _flow.Mark("next");
        _flow.Add(new SyscallStep(Syscall.read, table, _entry, CgroupReaper.EntrySize) { Rule = StepRule.ZeroContinues }, "body");
        _flow.Jump("end");
        _flow.Mark("body");
        body();
        _flow.Mark("end");
        writer.Add(_flow.ToArray());
    }

    private void AddKilling(SyscallProgramWriter writer, Slot table) => ForEachEntry(writer, table, () =>
    {
        OpenDirectory(_directories[0], StepArgument.AddressOf(_killName), _group, onError: "next"); // no name, or gone
        if (_isV2)
        {
            _flow.Add(OpenFile(_group, "cgroup.kill", write: true), onError: "one by one");
            _flow.Try(new SyscallStep(Syscall.write, _file, "1", 1));
            _flow.Add(new SyscallStep(Syscall.close, _file));
            _flow.Jump("killed");
            _flow.Mark("one by one");
        }

        Within(KillSeconds);
        _flow.Mark("round");
        WriteState(_group, frozen: true);
        AwaitFreeze();
        _flow.Clear(_any);
        KillMembers(_group);
        WriteState(_group, frozen: false);
        _flow.JumpIfEqual(_any, 0, "killed");
        Pause(onDeadline: "killed");
        _flow.Jump("round");
        _flow.Mark("killed");
        _flow.Add(new SyscallStep(Syscall.close, _group));
        _flow.Jump("next");
    });

    /// <summary>Waits until nobody in the group runs, at most until the deadline.</summary>
    private void AwaitFreeze()
    {
        // "FROZEN" or "FREEZING"; "populated 1\nfrozen 1"
        (string file, int at, char value) = _isV2 ? ("cgroup.events", 19, '1') : ("freezer.state", 3, 'Z');
        _flow.Mark("stopping");
        _flow.Add(OpenFile(_group, file, write: false), onError: "stopped");
        _flow.Try(new SyscallStep(Syscall.pread64, _file, _character, 1, at));
        _flow.Add(new SyscallStep(Syscall.close, _file));
        _flow.JumpIfEqual(_byte, (int)value, "stopped");
        Pause(onDeadline: "stopped");
        _flow.Jump("stopping");
        _flow.Mark("stopped");
    }

    /// <summary>Kills who is listed: held first, and killed where it is listed again then, since a number may have
    /// passed to another process meanwhile.</summary>
    private void KillMembers(Slot group)
    {
        string next = Label(), compare = Label(), listed = Label(), found = Label(), different = Label(), end = Label();
        _flow.Add(OpenFile(group, "cgroup.procs", write: false) with { Result = _list }, onError: end);
        _flow.Mark(next);
        _flow.Clear(_number);
        _flow.Add(ReadNumber(_list, _number), onSuccess: listed, onError: listed);
        _flow.Add(new SyscallStep(Syscall.pidfd_open, _number, 0) { Result = _process }, onError: next);
        _flow.Add(OpenFile(group, "cgroup.procs", write: false) with { Result = _again }, onError: different);
        _flow.Mark(compare);
        _flow.Clear(_other);
        _flow.Add(ReadNumber(_again, _other), onSuccess: found + "not", onError: found + "not");
        _flow.JumpIfEqual(_number, _other, found);
        _flow.Jump(compare);
        _flow.Mark(found);
        _flow.Try(new SyscallStep(Syscall.pidfd_send_signal, _process, StepArgument.Flags(Sched.SIGKILL, "SIGKILL"), StepArgument.Null, 0));
        _flow.Add(new SyscallStep(Syscall.getpid) { Result = _any });
        _flow.Mark(found + "not");
        _flow.Add(new SyscallStep(Syscall.close, _again));
        _flow.Mark(different);
        _flow.Add(new SyscallStep(Syscall.close, _process));
        _flow.Jump(next);
        _flow.Mark(listed);
        _flow.Add(new SyscallStep(Syscall.close, _list));
        _flow.Mark(end);
    }

    /// <summary>Removes each group, with those below it: the first leaf that is come to, and then from the top again.</summary>
    private void AddRemoving(SyscallProgramWriter writer, Slot table, Slot parent) => ForEachEntry(writer, table, () =>
    {
        StepArgument name = StepArgument.AddressOf(_name);
        _flow.Add(new SyscallStep(Syscall.faccessat, parent, name, 0), onError: "next");
        Within(RemoveSeconds);
        _flow.Mark("again");
        _flow.Add(new SyscallStep(Syscall.unlinkat, parent, name, StepArgument.Flags(Fcntl.AT_REMOVEDIR, "AT_REMOVEDIR")),
            onSuccess: "next", onError: "not empty");
        _flow.Mark("not empty");
        OpenDirectory(parent, name, _group, onError: "next");
        _flow.Mark("look");
        _flow.Try(new SyscallStep(Syscall.lseek, _group, 2, StepArgument.Flags(0, "SEEK_SET"))); // behind . and ..
        _flow.Mark("entry");
        _flow.Add(new SyscallStep(Syscall.getdents64, _group, _directoryEntry, 280) { Rule = StepRule.ZeroContinues },
            onSuccess: "is it a directory", onError: "leaf");
        _flow.Jump("leaf");
        _flow.Mark("is it a directory");
        OpenDirectory(_group, StepArgument.AddressOf(_below), _list, onError: "go on");
        _flow.Add(new SyscallStep(Syscall.unlinkat, _group, StepArgument.AddressOf(_below),
            StepArgument.Flags(Fcntl.AT_REMOVEDIR, "AT_REMOVEDIR")), onSuccess: "removed", onError: "descend");
        _flow.Mark("descend");
        _flow.Add(new SyscallStep(Syscall.dup3, _list, _group, StepArgument.Flags(Fcntl.O_CLOEXEC, "O_CLOEXEC")));
        _flow.Add(new SyscallStep(Syscall.close, _list));
        _flow.Jump("look");
        _flow.Mark("go on");
        _flow.Add(new SyscallStep(Syscall.lseek, _group, _next, StepArgument.Flags(0, "SEEK_SET")), onSuccess: "entry", onError: "leaf");
        _flow.Mark("removed");
        _flow.Add(new SyscallStep(Syscall.close, _list));
        _flow.Mark("leaf"); // with processes in it still, or nothing is to be removed below
        if (!_isV2 && ReferenceEquals(parent, _directories[0]))
            KillLeaf(parent);
        _flow.Add(new SyscallStep(Syscall.close, _group));
        Pause(onDeadline: "next");
        _flow.Jump("again");
    });

    /// <summary>Version 1 kills nobody below the group that is told to:
    /// each leaf by itself, where the container is this process's own.</summary>
    private void KillLeaf(Slot parent)
    {
        _flow.Add(new SyscallStep(Syscall.faccessat, parent, StepArgument.AddressOf(_killName), 0), onError: "spared");
        KillMembers(_group);
        WriteState(_group, frozen: false);
        _flow.Mark("spared");
    }

    private void WriteState(Slot group, bool frozen)
    {
        string without = Label();
        string value = _isV2 ? (frozen ? "1" : "0") : frozen ? "FROZEN" : "THAWED";
        _flow.Add(OpenFile(group, _isV2 ? "cgroup.freeze" : "freezer.state", write: true), onError: without);
        _flow.Try(new SyscallStep(Syscall.write, _file, value, value.Length));
        _flow.Add(new SyscallStep(Syscall.close, _file));
        _flow.Mark(without);
    }

    private void OpenDirectory(Slot directory, StepArgument name, Slot result, string onError)
    {
        ulong flags = Fcntl.O_DIRECTORY(RuntimeInformation.ProcessArchitecture)
            | Fcntl.O_NOFOLLOW(RuntimeInformation.ProcessArchitecture) | Fcntl.O_CLOEXEC;
        _flow.Add(new SyscallStep(Syscall.openat, directory, name, StepArgument.Flags(flags, "O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC"))
        {
            Result = result
        }, onError: onError);
    }

    private SyscallStep OpenFile(Slot directory, string name, bool write) =>
        new(Syscall.openat, directory, name, StepArgument.Flags((write ? Fcntl.O_WRONLY : Fcntl.O_RDONLY) | Fcntl.O_CLOEXEC,
            write ? "O_WRONLY|O_CLOEXEC" : "O_RDONLY|O_CLOEXEC"))
        { Result = _file };

    private SyscallStep ReadNumber(Slot file, Slot number) =>
        new(Syscall.read, file, _character, 1, StepArgument.AddressOf(number)) { Rule = StepRule.ReadsNumber };

    private void Within(int seconds) => _flow.Add(new SyscallStep(Syscall.timerfd_settime, _timer, 0,
        StepArgument.Words($"{{0, {seconds} s}}", 0, 0, (ulong)seconds, 0), StepArgument.Null));

    /// <summary>Waits a moment, or goes elsewhere once the time is over.</summary>
    private void Pause(string onDeadline) =>
        _flow.Add(new SyscallStep(Syscall.ppoll, _poll, 1, StepArgument.Words("{0, 3 ms}", 0, 3_000_000), StepArgument.Null, 8)
        {
            Rule = StepRule.ZeroContinues
        }, onSuccess: onDeadline);

    private string Label() => $"label {_labels++}";
}
