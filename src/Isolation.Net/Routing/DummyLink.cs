namespace Isolation.Net.Routing;

/// <summary>A link that drops what is sent on it: <c>ip link add NAME type dummy</c>.</summary>
public sealed record DummyLink : Link
{
    /// <summary>Initialises a dummy.</summary>
    public DummyLink() => Kind = "dummy";
}
