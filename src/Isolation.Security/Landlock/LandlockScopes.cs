namespace Isolation.Security;

/// <summary>What cannot be reached outside of the restricted processes: <c>LANDLOCK_SCOPE_*</c>. ABI 6, Linux 6.12.</summary>
[Flags]
public enum LandlockScopes : ulong
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary><c>ABSTRACT_UNIX_SOCKET</c>: connecting to an abstract Unix socket made outside.</summary>
    AbstractUnixSocket = 1,

    /// <summary><c>SIGNAL</c>: sending a signal to a process outside.</summary>
    Signal = 2,
}
