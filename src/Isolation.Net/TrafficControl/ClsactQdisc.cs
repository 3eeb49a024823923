namespace Isolation.Net.TrafficControl;

/// <summary>Where filters of packets that come in and that go out hang. <c>tc qdisc add dev LINK clsact</c>. Since Linux 4.5.</summary>
public sealed record ClsactQdisc : Qdisc
{
    /// <summary>Initialises one.</summary>
    public ClsactQdisc(int linkIndex) : base(linkIndex, "clsact") => (Handle, Parent) = (new TcHandle(0xffff), TcHandle.Ingress);
}
