namespace Isolation.Containers;

/// <summary>A network made by a program of the host that turns packets into ordinary sockets:
/// what ordinary users, who may make no links outside, have.</summary>
/// <example><code>builder = builder.WithNetwork(new UserModeNetwork { Stack = UserModeStackKind.Pasta });</code></example>
public sealed record UserModeNetwork : ContainerNetwork
{
    /// <summary>The program.</summary>
    public UserModeStackKind Stack { get; init; }

    internal override string Describe() => Stack switch
    {
        UserModeStackKind.Pasta => "the user-mode network of pasta",
        UserModeStackKind.Slirp4netns => "the user-mode network of slirp4netns",
        _ => "the user-mode network",
    };
}
