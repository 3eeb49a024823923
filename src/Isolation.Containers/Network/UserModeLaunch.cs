using Isolation.Linux;
using Isolation.Net;

namespace Isolation.Containers;

/// <summary>Connects a container by a program of the host that turns packets into sockets.</summary>
internal sealed class UserModeLaunch(ContainerSpec spec, UserModeNetwork network) : NetworkConnection(spec)
{
    private protected override void Connect(PidHandle process, RouteSocket inside) => throw new NotSupportedException(network.Describe());
}
