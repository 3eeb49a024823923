using Isolation.Linux;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Containers;

public sealed partial class ContainerProcess
{
    private NetworkConnection? _connection;

    /// <summary>Its address on its network; null where it has none that this library gave it.</summary>
    public System.Net.IPAddress? Address => _connection?.Address;

    /// <summary>Its IPv6 address on its network; null where it has none that this library gave it.</summary>
    public System.Net.IPAddress? AddressV6 => _connection?.AddressV6;

    /// <summary>What went over its links so far; null where it has ended, or shares this process's network.</summary>
    public ContainerTraffic? ReadTraffic() => ContainerTraffic.Read(ProcessId);

    /// <summary>Sets how fast it sends and receives, in the place of the limits so far. Scope: all processes of its network namespace.</summary>
    /// <exception cref="LinuxException"><c>ENODEV</c>: it has no network. <c>ESRCH</c>: it has ended.</exception>
    public void SetRateLimit(Isolation.Net.RateLimit limit)
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
        try
        {
            _connection?.Release();
        }
        catch (LinuxException)
        {
            // out of descriptors, a full disk, or no longer allowed
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
