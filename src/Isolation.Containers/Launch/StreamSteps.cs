using System.Collections.Immutable;
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

    internal StreamSteps(ContainerSpec spec)
    {
        FirstFree = Math.Max(3, spec.Descriptors.Select(d => d.Target + 1).DefaultIfEmpty(3).Max());
        if (!spec.Terminal)
        {
            Stdio[] streams = [spec.StandardInput, spec.StandardOutput, spec.StandardError];
            for (int i = 0; i < 3; i++)
                AddStream(i, streams[i]);
        }

        foreach (PassedDescriptor descriptor in spec.Descriptors)
            _pass.Add(ProcessSteps.PassDescriptor(Copy(descriptor.Handle, $"descriptor {descriptor.Target}"), descriptor.Target));
    }

    /// <summary>The first number above those that the program gets: what must survive their placing lies there.</summary>
    internal int FirstFree { get; }

    /// <summary>This process's ends of the pipes, by stream; null where there is none.</summary>
    internal Slot?[] Pipes { get; } = new Slot?[3];

    /// <summary>Slots that are filled with descriptors of the caller's handles before the launch.</summary>
    internal List<(Slot Slot, SafeHandle Handle)> Presets { get; } = [];

    internal IEnumerable<Slot> Kept => Pipes.OfType<Slot>();

    internal IEnumerable<PlanStep> Open() => _open;

    internal IEnumerable<PlanStep> Connect() => _connect;

    internal IEnumerable<PlanStep> Pass() => _pass;

    private void AddStream(int stream, Stdio stdio)
    {
        string name = ProcessSteps.StreamName(stream);
        switch (stdio)
        {
            case InheritStdio:
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
                Connect(stream, Copy(handle.SafeHandle, name));
                return;
            case PipeStdio:
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
            new SyscallStep(Syscall.openat, StepArgument.CurrentDirectory, path, StepArgument.Flags(flags | Fcntl.O_CLOEXEC | Fcntl.O_NOCTTY, names + "|O_NOCTTY|O_CLOEXEC"),
                StepArgument.Flags(0b110_110_110, "0666")) { Result = file },
        ]));
        return file;
    }

    private Slot OpenPipe(int stream, string name)
    {
        Slot read = new($"{name.Replace(' ', '-')}-read"), write = new($"{name.Replace(' ', '-')}-write");
        StepArgument pair = StepArgument.DescriptorPair(read, write);
        _open.Add(new PlanStep("make a pipe for", name, [new SyscallStep(Syscall.pipe2, pair, StepArgument.Flags(Fcntl.O_CLOEXEC, "O_CLOEXEC"))]));
        Pipes[stream] = stream == 0 ? write : read;
        return stream == 0 ? read : write;
    }

    /// <summary>Copies a handle of the caller above every number that gets a meaning in the program, so that none overwrites another's source.</summary>
    private Slot Copy(SafeHandle handle, string name)
    {
        Slot source = new("callers-" + name.Replace(' ', '-')), copy = new(name.Replace(' ', '-'));
        Presets.Add((source, handle));
        _open.Add(new PlanStep("copy", name,
            [new SyscallStep(Syscall.fcntl, source, StepArgument.Flags(Fcntl.F_DUPFD_CLOEXEC, "F_DUPFD_CLOEXEC"), FirstFree) { Result = copy }]));
        return copy;
    }
}
