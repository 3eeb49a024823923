using System.Runtime.InteropServices;

namespace Isolation.Linux.Syscalls;

/// <summary>The number of a handle's descriptor, lent for the length of a call.</summary>
/// <remarks>Closed meanwhile, the number could be another file's by the time of the call. A handle that is disposed while it is lent is
/// closed when the last borrower is done. This is the only place that reads a handle's number.</remarks>
internal readonly ref struct Borrow
{
    private readonly SafeHandle _handle;

    /// <summary>Borrows from an open handle.</summary>
    /// <exception cref="ObjectDisposedException">The handle is closed.</exception>
    internal Borrow(SafeHandle handle)
    {
        _handle = handle;
        bool held = false;
        handle.DangerousAddRef(ref held);
        Number = (int)handle.DangerousGetHandle();
    }

    /// <summary>The descriptor.</summary>
    internal int Number { get; }

    /// <summary>The descriptor as a word of a system call.</summary>
    internal nuint Word => (nuint)(nint)Number;

    /// <summary>Gives the handle back.</summary>
    public void Dispose() => _handle.DangerousRelease();
}
