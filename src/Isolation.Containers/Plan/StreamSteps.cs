using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.InteropServices;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>Lowers the standard streams and passed descriptors: opened by the parent, connected by the child.</summary>
internal sealed class StreamSteps
{
    private readonly List<PlanStep> _open = [], _connect = [], _pass = [];
    private Slot? _null;

    internal StreamSteps(ContainerStart start)
    {
        FirstFree = Math.Max(3, start.Descriptors.Select(d => d.Target + 1).DefaultIfEmpty(3).Max());
        if (!start.Spec.Terminal)
        {
            Stdio[] streams = [start.StandardInput, start.StandardOutput, start.StandardError];
            for (int i = 0; i < 3; i++)
                AddStream(i, streams[i]);
        }

        foreach (PassedDescriptor descriptor in start.Descriptors)
            _pass.Add(ProcessSteps.PassDescriptor(Copy(descriptor.Handle, $"descriptor {descriptor.Target}"), descriptor.Target));
    }

    /// <summary>The first number above those that the program gets: what must survive their placing lies there.</summary>
    internal int FirstFree { get; }

    /// <summary>This process's ends of the pipes, by stream; null where there is none.</summary>
    internal Slot?[] Pipes { get; } = new Slot?[3];

    internal bool HasPipes => (Pipes[0] ?? Pipes[1] ?? Pipes[2]) is not null;

    /// <summary>The container's ends, by stream, of those that are to belong to its user where they are anonymous pipes.</summary>
    internal Slot?[] Owned { get; } = new Slot?[3];

    /// <summary>Slots of <see cref="Owned"/> for streams that this process was given: filled before the launch, where they are anonymous
    /// pipes.</summary>
    internal List<(Slot Slot, int Stream, SafeHandle? Handle)> Given { get; } = [];

    /// <summary>Slots that are filled with descriptors of the caller's handles before the launch.</summary>
    internal List<(Slot Slot, SafeHandle Handle)> Presets { get; } = [];

    internal IEnumerable<Slot> Kept => Pipes.OfType<Slot>();

    internal IEnumerable<PlanStep> Open() => _open;

    internal IEnumerable<PlanStep> Connect() => _connect;

    internal IEnumerable<PlanStep> Pass() => _pass;

    /// <summary>Gives the pipes among the streams to a user, who else could not open /dev/stdout. A file that this process was given is
    /// never touched.</summary>
    /// <remarks>The calls are refused where the user has no name here, or this process no right: then all works but that.</remarks>
    internal PlanStep Give(uint user, uint group, bool handles) =>
        new("give pipes among the standard streams to", string.Create(CultureInfo.InvariantCulture, $"{user}:{group}"),
    [
        .. Owned.OfType<Slot>().Where(s => handles || !Given.Any(g => g.Slot == s && g.Handle is not null))
            .Select(s => new SyscallStep(Syscall.fchown, s, user, group) { Tolerated = [Errno.EBADF, Errno.EPERM, Errno.EINVAL] }),
    ]);

    private void GiveIfPipe(int stream, SafeHandle? handle)
    {
        Owned[stream] = new Slot("given-" + ProcessSteps.StreamName(stream).Replace(' ', '-'));
        Given.Add((Owned[stream]!, stream, handle));
    }

    private void AddStream(int stream, Stdio stdio)
    {
        string name = ProcessSteps.StreamName(stream);
        switch (stdio)
        {
            case InheritStdio:
                GiveIfPipe(stream, null);
                return;
            case NullStdio:
                Connect(stream, _null ??= OpenFile("the null device", "/dev/null", Fcntl.O_RDWR, "O_RDWR"));
                return;
            case FileStdio file when stream == 0:
                Connect(stream, OpenFile(name, file.Path, Fcntl.O_RDONLY, "O_RDONLY"));
                return;
            case FileStdio file:
                Connect(stream, OpenFile(name, file.Path, Fcntl.O_WRONLY | Fcntl.O_CREAT | (file.Append ? Fcntl.O_APPEND : Fcntl.O_TRUNC),
                    "O_WRONLY|O_CREAT|" + (file.Append ? "O_APPEND" : "O_TRUNC")));
                return;
            case HandleStdio handle:
                GiveIfPipe(stream, handle.SafeHandle);
                Connect(stream, Copy(handle.SafeHandle, name));
                return;
            default:
                Connect(stream, OpenPipe(stream, name));
                return;
        }
    }

    private void Connect(int stream, Slot source) => _connect.Add(ProcessSteps.ConnectStream(stream, source));

    private Slot OpenFile(string name, string path, uint flags, string names)
    {
        Slot file = new(name.Replace(' ', '-'));
        _open.Add(new PlanStep($"open {name}", MountSteps.Quote(path),
        [
            // Not even a device may hold the thread that opens it; a FIFO was opened before.
            new SyscallStep(Syscall.openat, StepArgument.CurrentDirectory, path,
                StepArgument.Flags(flags | Fcntl.O_CLOEXEC | Fcntl.O_NOCTTY | Fcntl.O_NONBLOCK, names + "|O_NONBLOCK|O_NOCTTY|O_CLOEXEC"),
                StepArgument.Flags(0b110_110_110, "0666")) { Result = file },
            new SyscallStep(Syscall.fcntl, file, StepArgument.Flags(Fcntl.F_SETFL, "F_SETFL"),
                (flags & Fcntl.O_APPEND) != 0 ? StepArgument.Flags(Fcntl.O_APPEND, "O_APPEND") : 0),
        ]));
        return file;
    }

    private Slot OpenPipe(int stream, string name)
    {
        Slot read = new($"{name.Replace(' ', '-')}-read"), write = new($"{name.Replace(' ', '-')}-write");
        StepArgument pair = StepArgument.DescriptorPair(read, write);
        _open.Add(new PlanStep("make a pipe for", name,
            [new SyscallStep(Syscall.pipe2, pair, StepArgument.Flags(Fcntl.O_CLOEXEC, "O_CLOEXEC"))]));
        Pipes[stream] = stream == 0 ? write : read;
        return Owned[stream] = stream == 0 ? read : write;
    }

    /// <summary>Copies a handle of the caller above every number that gets a meaning in the program, so that none overwrites another's
    /// source.</summary>
    private Slot Copy(SafeHandle handle, string name)
    {
        Slot source = new("callers-" + name.Replace(' ', '-')), copy = new(name.Replace(' ', '-'));
        Presets.Add((source, handle));
        _open.Add(new PlanStep("copy", name,
            [new SyscallStep(Syscall.fcntl, source, StepArgument.Flags(Fcntl.F_DUPFD_CLOEXEC, "F_DUPFD_CLOEXEC"), FirstFree)
            {
                Result = copy
            }]));
        return copy;
    }
}
