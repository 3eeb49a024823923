namespace Isolation.Containers;

/// <summary>The program that is the user-mode stack.</summary>
public enum UserModeStackKind
{
    /// <summary>pasta where it is installed, else slirp4netns.</summary>
    Auto,

    /// <summary>pasta, of the package passt.</summary>
    Pasta,

    /// <summary>slirp4netns.</summary>
    Slirp4netns,
}
