using System.Runtime.InteropServices;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux;

/// <summary>Handles that stay open until they are released together, for work that spans threads:
/// a launch, a message that names descriptors.</summary>
internal sealed class HeldHandles : IDisposable
{
    private readonly List<SafeHandle> _handles = [];

    /// <summary>Holds a handle and tells its number, which is nobody else's until <see cref="Dispose"/>.</summary>
    /// <exception cref="ObjectDisposedException">The handle is closed.</exception>
    internal int Hold(SafeHandle handle)
    {
        bool held = false;
        handle.DangerousAddRef(ref held);
        lock (_handles)
            _handles.Add(handle);
        using Borrow lent = new(handle);
        return lent.Number;
    }

    /// <summary>Releases all; more can be held afterwards.</summary>
    public void Dispose()
    {
        lock (_handles)
        {
            foreach (SafeHandle handle in _handles)
                handle.DangerousRelease();
            _handles.Clear();
        }
    }
}
