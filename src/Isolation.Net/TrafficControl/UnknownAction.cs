using Isolation.Net.Netlink;

namespace Isolation.Net.TrafficControl;

/// <summary>An action that this library does not know, as read.</summary>
/// <param name="Name">Its kind.</param>
public sealed record UnknownAction(string Name) : TcAction(TcVerdict.Unspecified)
{
    internal override string Kind => Name;

    internal override void WriteOptions(NetlinkWriter writer) => throw new ArgumentException($"The action \"{Name}\" can only be read.");
}
