using System.Runtime.InteropServices;
using BenchmarkDotNet.Attributes;
using Isolation.Linux;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Benchmarks;

/// <summary>The ways from managed code to the kernel. None of them may allocate.</summary>
[MemoryDiagnoser]
public class SyscallBenchmarks : IDisposable
{
    private readonly ProgramMemory _memory = new();
    private SyscallProgram _program = null!;
    private LinuxHandle _file = null!;
    private byte[] _buffer = null!;

    /// <summary>Loads a program of ten steps and opens a file.</summary>
    [GlobalSetup]
    public void SetUp()
    {
        var writer = new SyscallProgramWriter(RuntimeInformation.ProcessArchitecture);
        for (int i = 0; i < 10; i++)
            writer.Add(new SyscallStep(Syscall.getppid));
        _program = writer.Build();
        _memory.Load(_program);
        _file = new LinuxHandle((int)FileSyscalls.OpenAt(null, "/proc/self/stat", 0).Value);
        _buffer = new byte[4096];
    }

    /// <summary>Frees what was set up.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        _memory.Dispose();
        _file.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>One call that does nothing.</summary>
    [Benchmark(Baseline = true)]
    public long Call() => RawSyscall.Invoke(Syscall.getppid).Value;

    /// <summary>Ten of them by the managed interpreter.</summary>
    [Benchmark(OperationsPerInvoke = 10)]
    public bool InterpretedCall() => ManagedInterpreter.Run(_memory, 0, 10) is null;

    /// <summary>A program loaded again, as every launch does.</summary>
    [Benchmark]
    public void Load() => _memory.Load(_program);

    /// <summary>A file kept open, read into a buffer.</summary>
    [Benchmark]
    public long Read() => FileSyscalls.Read(_file, _buffer).Value;

    /// <summary>The type and owner of an open file.</summary>
    [Benchmark]
    public bool Stat() => !FileSyscalls.Stat(_file, out _).IsError;
}
