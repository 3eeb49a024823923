namespace Isolation.Net.Routing;

/// <summary>An intermediate functional block: packets that come in elsewhere are redirected to it, to be queued and limited as if they went
/// out. <c>ip link add NAME type ifb</c>.</summary>
public sealed record IfbLink : Link
{
    /// <summary>Initialises one.</summary>
    public IfbLink() => Kind = "ifb";
}
