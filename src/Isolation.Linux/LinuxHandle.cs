using System.Runtime.InteropServices;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux;

/// <summary>An owned file descriptor, close-on-exec from birth. Closed on dispose or finalisation.</summary>
public class LinuxHandle : SafeHandle
{
    /// <summary>Takes ownership of a file descriptor.</summary>
    /// <param name="descriptor">The descriptor; it must be close-on-exec.</param>
    internal LinuxHandle(int descriptor) : base(-1, ownsHandle: true) => SetHandle(descriptor);

    /// <summary>A descriptor that is somebody else's, and stays open when the handle is disposed or finalised.</summary>
    internal static LinuxHandle Unowned(int descriptor) => new(descriptor, isOwned: false);

    private LinuxHandle(int descriptor, bool isOwned) : base(-1, isOwned) => SetHandle(descriptor);

    /// <inheritdoc/>
    public override bool IsInvalid => handle < 0;

    /// <summary>Gives up the descriptor: whoever asked closes it, and this handle is closed.</summary>
    /// <exception cref="ObjectDisposedException">The handle is closed.</exception>
    internal int TakeDescriptor()
    {
        using Borrow lent = new(this);
        SetHandleAsInvalid();
        return lent.Number;
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => !RawSyscall.Invoke(Syscall.close, (nuint)(nint)handle).IsError;

    /// <inheritdoc/>
    public override string ToString() => IsClosed ? "closed" : $"fd {(int)handle}";
}
