using System.Runtime.InteropServices;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Programs;

/// <summary>Unmanaged memory that holds one loaded program at its real address. Reused from launch to launch.</summary>
internal sealed unsafe class ProgramMemory : IDisposable
{
    private byte* _base;
    private int _capacity;
    private SyscallProgram? _program;
    private bool _broken;

    ~ProgramMemory() => Free();

    internal void* Address => _base;

    internal long BaseAddress => (long)_base;

    /// <summary>Copies a program in and adds the address to every relocated word.
    /// One that is loaded already only gets its slots back.</summary>
    internal void Load(SyscallProgram program)
    {
        byte[] image = program.Image;
        if (ReferenceEquals(program, _program) && !_broken)
        {
            foreach (int offset in program.Slots.Values)
                image.AsSpan(offset, Math.Min(8, image.Length - offset)).CopyTo(new Span<byte>(_base + offset, 8));
            return;
        }

        if (image.Length > _capacity)
        {
            Free();
            _capacity = Math.Max(image.Length, 16384);
            _base = (byte*)NativeMemory.AlignedAlloc((nuint)_capacity, 4096);
        }

        image.CopyTo(new Span<byte>(_base, image.Length));
        foreach (int offset in program.Relocations)
            *(ulong*)(_base + offset) += (ulong)_base;
        _program = program;
        _broken = false;
    }

    /// <summary>Loads a program all of whose steps a child runs in this memory: clone(2), which stores its pidfd here. The calling thread
    /// goes on when the child has executed a program or ended.</summary>
    /// <param name="program">The program.</param>
    /// <param name="flags">Further flags of clone(2): namespaces, <c>CLONE_FILES</c>.</param>
    internal void LoadChild(SyscallProgram program, ulong flags = 0)
    {
        Load(program);
        SelectSteps(0, program.Steps.Length);
        Int64(InterpreterLayout.CloneNumber) = SyscallNumber.Native(Syscall.clone);
        Int64(InterpreterLayout.CloneArguments) = (long)(flags | Sched.CLONE_VM | Sched.CLONE_VFORK | Sched.CLONE_PIDFD);
        Int64(InterpreterLayout.CloneArguments + 16) = BaseAddress + InterpreterLayout.PidDescriptor;
    }

    /// <summary>Selects the steps to run: from the first, up to but without the end.</summary>
    internal void SelectSteps(int first, int end)
    {
        *(byte**)(_base + InterpreterLayout.FirstStep) = _base + SyscallProgram.StepOffset(first);
        *(byte**)(_base + InterpreterLayout.EndOfSteps) = _base + SyscallProgram.StepOffset(end);
        Int32(InterpreterLayout.FailedStep) = -1;
        Int32(InterpreterLayout.Repeated) = 0;
        Int64(InterpreterLayout.Progress) = 0;
    }

    internal ref int Int32(int offset) => ref *(int*)(_base + offset);

    internal ref long Int64(int offset) => ref *(long*)(_base + offset);

    /// <summary>A slot's cell; only its low 32 bits belong to it where it lies inside a struct.</summary>
    internal ref int SlotValue(Slot slot) => ref Int32(_program!.Slots[slot]);

    /// <summary>The 64 bits at a slot.</summary>
    internal ref long Int64At(Slot slot) => ref Int64(_program!.Slots[slot]);

    internal bool HasSlot(Slot slot) => _program!.Slots.ContainsKey(slot);

    /// <summary>Makes a step fail with <c>ENOSYS</c> when it is reached.</summary>
    internal void BreakStep(int index)
    {
        Int32(SyscallProgram.StepOffset(index) + InterpreterLayout.StepNumber) = (int)InterpreterLayout.NoSuchSyscall;
        _broken = true;
    }

    /// <summary>The index of the step that an address lies in.</summary>
    internal int StepIndexOf(long address) => (int)((address - (long)_base - InterpreterLayout.Steps) / InterpreterLayout.StepSize);

    internal ReadOnlySpan<byte> Bytes => new(_base, _program!.Image.Length);

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        NativeMemory.AlignedFree(_base);
        _base = null;
        _capacity = 0;
    }
}
