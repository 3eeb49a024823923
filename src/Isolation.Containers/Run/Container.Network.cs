using Isolation.Linux;
using Isolation.Linux.Events;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Containers;

public sealed partial class Container
{
    private NetworkConnection? _connection;

    /// <summary>The addresses of the egress policy's names.</summary>
    internal System.Collections.Immutable.ImmutableSortedDictionary<string,
        System.Collections.Immutable.ImmutableArray<System.Net.IPAddress>> Pinned
    { get; init; } =
        System.Collections.Immutable.ImmutableSortedDictionary<string,
            System.Collections.Immutable.ImmutableArray<System.Net.IPAddress>>.Empty;

    /// <summary>What ends the waits of the start.</summary>
    internal CancellationToken StartCancelled { get; set; }

    /// <summary>Its address on its network; null where it has none that this library gave it.</summary>
    public System.Net.IPAddress? Address => _connection?.Address;

    /// <summary>Its IPv6 address on its network; null where it has none that this library gave it.</summary>
    public System.Net.IPAddress? AddressV6 => _connection?.AddressV6;

    /// <summary>What went over its links so far; null where it has ended, or shares this process's network.</summary>
    public ContainerTraffic? ReadTraffic() => ContainerTraffic.Read(Process);

    /// <summary>Sets how fast it sends and receives, in the place of the limits so far. Scope: all processes of its network
    /// namespace.</summary>
    /// <exception cref="LinuxException"><c>ENODEV</c>: it has no network. <c>ESRCH</c>: it has ended.</exception>
    public void SetRateLimit(Isolation.Net.TrafficControl.RateLimit limit)
    {
        ArgumentNullException.ThrowIfNull(limit);
        limit.Apply(Plan.Spec.Network.InterfaceName, Process);
    }

    /// <summary>Before the process is made, on the launcher's thread.</summary>
    private void TakeNetwork(ProgramMemory memory)
    {
        if (Plan.Slots.HasNetwork is false)
            return;
        _connection = NetworkConnection.Of(Plan.Spec);
        (_connection.StartCancelled, _connection.Pinned) = (StartCancelled, Pinned);
        Tell(LaunchPlanner.LeaseNetwork, () =>
        {
            _connection.Begin();
            if (Plan.Slots.HostsTree is not { } slot || _connection.HostsPath is not { } path)
                return;
            SyscallResult tree = MountSyscalls.CloneReadOnly(path);
            tree.ThrowIfError("open", $"\"{path}\"", "open_tree(2)");
            memory.SlotValue(slot) = (int)tree.Value;
        });
    }

    /// <summary>While the process waits.</summary>
    private void ConnectNetwork(int processId)
    {
        if (_connection is not null)
            Tell(LaunchPlanner.ConnectNetwork, () => _connection.Connect(processId));
    }

    /// <summary>When it is gone. What cannot be removed now is by the next start.</summary>
    private void ReleaseNetwork()
    {
        if (_connection is { } connection)
            Release(connection, attempts: 8, TimeSpan.FromMilliseconds(250));
    }

    private void Release(NetworkConnection connection, int attempts, TimeSpan pause)
    {
        try
        {
            connection.Release();
        }
        // Out of descriptors, a full disk, or no longer allowed: neither the start nor the end of a container fails by it.
#pragma warning disable CA1031
        catch (Exception e)
#pragma warning restore CA1031
        {
            TellCleanUpFailure(attempts > 0 ? "release its network now" : "release its network", e);
            // This process lives, so nobody else takes its lease for dead.
            if (attempts > 0)
                RetryLater(() => Release(connection, attempts - 1, 2 * pause), pause);
        }
    }

    private void RetryLater(Action action, TimeSpan pause)
    {
        try
        {
            Deadline.After(pause, () => BlockingWork.Cleanup.Post(action));
        }
        catch (LinuxException e)
        {
            // nothing is left to wait with; the next start removes it once this process has ended
            TellCleanUpFailure("release its network later", e);
        }
    }

    private static void Tell(string step, Action action)
    {
        try
        {
            action();
        }
        catch (LinuxException e)
        {
            throw new NetworkLaunchException(step, e);
        }
    }
}

/// <summary>Carries a refusal to the step of the launch that it belongs to.</summary>
internal sealed class NetworkLaunchException(string action, LinuxException refusal) : Exception(refusal.Message, refusal)
{
    internal string Action { get; } = action;

    internal LinuxException Refusal { get; } = refusal;
}
