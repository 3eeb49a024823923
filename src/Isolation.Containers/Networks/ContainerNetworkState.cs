using System.Collections.Immutable;

namespace Isolation.Containers;

/// <summary>A network with its containers.</summary>
/// <param name="Network">The network.</param>
/// <param name="InUse">Whether it has containers, and therefore a bridge.</param>
/// <param name="Containers">Their names and addresses.</param>
public sealed record ContainerNetworkState(BridgeNetwork Network, bool InUse,
    ImmutableArray<NetworkMember> Containers)
{
    /// <summary>The network as JSON.</summary>
    public override string ToString() => NetworkJson.Write(Network);
}
