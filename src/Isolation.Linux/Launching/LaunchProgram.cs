using System.Collections.Immutable;
using Isolation.Linux.MachineCode;
using Isolation.Linux.Programs;

namespace Isolation.Linux.Launching;

/// <summary>A section of a program: the steps from the first up to but without the end.</summary>
internal readonly record struct StepRange(int First, int End)
{
    internal bool Contains(int index) => index >= First && index < End;
}

/// <summary>What the parent owes a child that waits for it: id maps, for one. Runs on a thread of its own.</summary>
internal abstract class LaunchHandshake
{
    /// <summary>Serves the child.</summary>
    /// <param name="processId">The waiting child, which cannot be reaped meanwhile.</param>
    /// <exception cref="LinuxException">It could not be served; the launch fails with this.</exception>
    internal abstract void Serve(int processId);
}

/// <summary>Everything that a launch needs, in the form that it is run: immutable, used for any number of launches.</summary>
internal sealed class LaunchProgram
{
    private byte[]? _sealedHeader;

    internal required SyscallProgram Program { get; init; }

    internal required LaunchForm Form { get; init; }

    /// <summary>CLONE_NEW* flags; those for the memory, the pidfd and the signals are added at launch.</summary>
    internal required ulong CloneFlags { get; init; }

    /// <summary>Where the descriptor of the control group lies that the child is born in; null for the parent's.</summary>
    internal Slot? Cgroup { get; init; }

    /// <summary>Steps that this process runs before the clone.</summary>
    internal StepRange Parent { get; init; }

    /// <summary>Steps that the child runs in this process's memory: all of them, or those up to the sealed image's start.</summary>
    internal StepRange Borrowed { get; init; }

    /// <summary>The first borrowed step that executes something: a child that got there without a failure has left this memory.</summary>
    internal required int FirstExecution { get; init; }

    /// <summary>Steps that the child runs in the sealed image; empty in the other form.</summary>
    internal StepRange Sealed { get; init; }

    /// <summary>Where the pidfd of the launching thread goes, for the child to ask whether it still lives.</summary>
    internal Slot? ParentThread { get; init; }

    /// <summary>Where the sealed image's descriptor goes; it belongs to the launcher thread.</summary>
    internal Slot? SealedFile { get; init; }

    /// <summary>Where the write end of the report pipe goes; null in memory, where the context itself tells.</summary>
    internal Slot? Report { get; init; }

    /// <summary>Whether a process of the sealed image stays as long as the container, as its init.</summary>
    internal bool LeavesImage { get; init; }

    /// <summary>The pipe by which the child says that it waits for the parent, and the one by which it is let go.</summary>
    internal (Slot ReadyRead, Slot ReadyWrite, Slot GoRead, Slot GoWrite)? Barrier { get; init; }

    /// <summary>What the parent does between ready and go.</summary>
    internal LaunchHandshake? Handshake { get; init; }

    /// <summary>Descriptors that parent steps open for the child alone: closed here when the launch is over.</summary>
    internal ImmutableArray<Slot> Temporary { get; init; } = [];

    /// <summary>Descriptors that parent steps open for the caller: kept on success, closed on failure.</summary>
    internal ImmutableArray<Slot> Kept { get; init; } = [];

    /// <summary>Whether the child changes its credentials in this process's memory, which makes this process undumpable.</summary>
    internal bool ChangesDumpable { get; init; }

    /// <summary>Where an intermediate process makes the program's, the socket by which it tells of that;
    /// see <see cref="SiblingSteps"/>.</summary>
    internal Slot? Siblings { get; init; }

    /// <summary>With an intermediate process, the pipes by which the program's waits until it is connected;
    /// null where that does not wait, or the child itself does.</summary>
    internal (Slot ReadyRead, Slot GoWrite)? Connection { get; init; }

    /// <summary>The report pipe is kept at this number or above, out of the way of descriptors that the program gets.</summary>
    internal int MinimumDescriptor { get; init; } = 3;

    /// <summary>A process of the sealed image that stays as long as it has to: not a container's, and told of by its pidfd only.</summary>
    internal static LaunchProgram OfImage(SyscallProgram program, StepRange parent, StepRange borrowed, Slot image, Slot report,
        params ImmutableArray<Slot> opened) => new()
        {
            Program = program,
            Form = LaunchForm.Sealed,
            CloneFlags = 0,
            Parent = parent,
            Borrowed = borrowed,
            Sealed = new StepRange(borrowed.End, program.Steps.Length),
            FirstExecution = borrowed.End - 1,
            SealedFile = image,
            Report = report,
            LeavesImage = true,
            Temporary = [.. opened, report],
        };

    internal byte[] SealedHeader =>
        _sealedHeader ??= SealedImage.Header(Program.Architecture, ExecutableCode.ImageStub, Program.Image.Length);
}
