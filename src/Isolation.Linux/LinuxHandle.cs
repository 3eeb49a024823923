using System.Runtime.InteropServices;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux;

/// <summary>An owned file descriptor, close-on-exec from birth. Closed on dispose or finalisation.</summary>
public class LinuxHandle : SafeHandle
{
    /// <summary>Takes ownership of a file descriptor.</summary>
    /// <param name="descriptor">The descriptor; it must be close-on-exec.</param>
    internal LinuxHandle(int descriptor) : base(-1, ownsHandle: true) => SetHandle(descriptor);

    /// <inheritdoc/>
    public override bool IsInvalid => handle < 0;

    /// <summary>The number, for the calls of this library; -1 once closed.</summary>
    internal int Descriptor => IsClosed ? -1 : (int)handle;

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => !RawSyscall.Invoke(Syscall.close, (nuint)(nint)handle).IsError;

    /// <inheritdoc/>
    public override string ToString() => IsClosed ? "closed" : $"fd {(int)handle}";
}
