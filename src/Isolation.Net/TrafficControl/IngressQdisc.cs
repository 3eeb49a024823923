namespace Isolation.Net.TrafficControl;

/// <summary>Where filters of packets that come in hang: they can drop and redirect, but not queue.
/// <c>tc qdisc add dev LINK ingress</c>.</summary>
public sealed record IngressQdisc : Qdisc
{
    /// <summary>Initialises one.</summary>
    public IngressQdisc(int linkIndex) : base(linkIndex, "ingress") => (Handle, Parent) = (new TcHandle(0xffff), TcHandle.Ingress);
}
