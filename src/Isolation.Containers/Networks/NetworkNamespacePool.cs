using System.Collections.Concurrent;
using Isolation.Linux;
using Isolation.Linux.Events;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;
using Isolation.Net;

namespace Isolation.Containers;

/// <summary>Network namespaces made in advance, each with <c>lo</c> up. Making one is about half of a container's start.</summary>
/// <remarks>Each is used once. They belong to this process's user namespace, so a container with a user namespace of its own has no power
/// over one: nothing in it can be configured from inside, and /sys is the host's, read-only. Needs <c>CAP_SYS_ADMIN</c>.</remarks>
/// <example><code>
/// using var pool = new NetworkNamespacePool(16);
/// ContainerResult result = await builder.WithNetworkPool(pool).RunAsync();
/// </code></example>
public sealed class NetworkNamespacePool : IDisposable
{
    private readonly ConcurrentQueue<Namespace> _ready = new();
    private readonly SemaphoreSlim _wanted = new(0);
    private readonly LinuxThread _thread = new("isolation net pool");
    private readonly int _size;
    private volatile bool _disposed;

    /// <summary>From a failure to the next attempt.</summary>
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(100);

    /// <summary>Starts to fill a pool, and waits for the first namespace, so that a refusal is seen here.</summary>
    /// <param name="size">How many are kept ready, at least 1.</param>
    /// <exception cref="LinuxException"><c>EPERM</c>: no <c>CAP_SYS_ADMIN</c>. <c>ENOSPC</c>: a limit was reached.</exception>
    public NetworkNamespacePool(int size)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        _size = size;
        try
        {
            _ready.Enqueue(_thread.Invoke(Make));
        }
        catch
        {
            _thread.Dispose();
            _wanted.Dispose();
            throw;
        }

        try
        {
            OwnThread.Start("isolation net pool filler", Fill);
        }
        catch
        {
            _ready.TryDequeue(out Namespace? made);
            made?.Dispose();
            _thread.Dispose();
            _wanted.Dispose();
            throw;
        }
    }

    /// <summary>How many are ready.</summary>
    public int Count => _ready.Count;

    /// <summary>Takes one, or makes one where none is ready. The caller owns it.</summary>
    internal Namespace Take()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        Namespace taken = _ready.TryDequeue(out Namespace? ready) ? ready : _thread.Invoke(Make);
        if (_ready.Count <= _size / 2)
            _wanted.Release();
        return taken;
    }

    /// <summary>Closes those that are ready; containers keep theirs.</summary>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        _wanted.Release();
    }

    // Each unshare leaves the namespace before, which the handle keeps alive.
    private static Namespace Make()
    {
        RawSyscall.Invoke(Syscall.unshare, (nuint)(uint)NamespaceKinds.Net)
            .ThrowIfError("make", "a network namespace for the pool", "unshare(2)");
        Loopback.SetUp();
        UnprivilegedNetwork.SetForCurrentThread(HostFacts.Current.OwnGroupIds);
        return Namespace.OpenCurrent(NamespaceKinds.Net);
    }

    private void Fill()
    {
        while (!_disposed)
        {
            try
            {
                // Refilled when it is half empty, so that most starts have the kernel's network locks to themselves.
                while (!_disposed && _ready.Count < _size)
                    _ready.Enqueue(_thread.Invoke(Make));
                while (!_disposed && _ready.Count > _size / 2)
                    _wanted.Wait();
            }
#pragma warning disable CA1031 // A limit was reached, or memory is short. Take makes its own meanwhile, and tells its caller what is wrong.
            catch (Exception e)
#pragma warning restore CA1031
            {
                ContainerDiagnostics.TellPoolFailure(e);
                _wanted.Wait(s_pause);
            }
        }

        while (_disposed && _ready.TryDequeue(out Namespace? unused))
            unused.Dispose();
        if (_disposed)
        {
            _thread.Dispose();
            _wanted.Dispose();
        }
    }
}
