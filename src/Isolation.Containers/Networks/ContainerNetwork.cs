using System.Text.Json.Serialization;

namespace Isolation.Containers;

/// <summary>The network of a container.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(BridgeNetwork), "bridge")]
[JsonDerivedType(typeof(ParentLinkNetwork), "parentLink")]
[JsonDerivedType(typeof(MovedLinkNetwork), "movedLink")]
[JsonDerivedType(typeof(UserModeNetwork), "userMode")]
public abstract record ContainerNetwork
{
    private protected ContainerNetwork()
    {
    }

    /// <summary>The name of the default network: <c>isolation</c>.</summary>
    public const string DefaultName = "isolation";

    /// <summary>The default bridge network, made on demand.</summary>
    public static ContainerNetwork Bridge { get; } = new BridgeNetwork(DefaultName);

    /// <summary>The user-mode network, for containers of ordinary users.</summary>
    public static ContainerNetwork UserMode { get; } = new UserModeNetwork();

    internal abstract string Describe();
}
