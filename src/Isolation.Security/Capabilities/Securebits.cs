namespace Isolation.Security;

/// <summary>How user id 0 and changes of ids act on capabilities: per thread, kept across execve(2).
/// See capabilities(7), "The securebits flags".</summary>
[Flags]
public enum Securebits
{
    /// <summary>Root is special, as ever.</summary>
    None = 0,

    /// <summary><c>SECBIT_NOROOT</c>: execve(2) gives user 0 no capabilities.</summary>
    NoRoot = 1,

    /// <summary><c>SECBIT_NOROOT_LOCKED</c>: it stays as it is.</summary>
    NoRootLocked = 2,

    /// <summary><c>SECBIT_NO_SETUID_FIXUP</c>: changes of user ids from and to 0 leave the capabilities alone.</summary>
    NoSetuidFixup = 4,

    /// <summary><c>SECBIT_NO_SETUID_FIXUP_LOCKED</c>: it stays as it is.</summary>
    NoSetuidFixupLocked = 8,

    /// <summary><c>SECBIT_KEEP_CAPS</c>: the permitted set is kept when all user ids leave 0. execve(2) clears the bit.</summary>
    KeepCaps = 16,

    /// <summary><c>SECBIT_KEEP_CAPS_LOCKED</c>: it stays as it is.</summary>
    KeepCapsLocked = 32,

    /// <summary><c>SECBIT_NO_CAP_AMBIENT_RAISE</c>: nothing can be added to the ambient set. Since Linux 4.3.</summary>
    NoAmbientRaise = 64,

    /// <summary><c>SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED</c>: it stays as it is.</summary>
    NoAmbientRaiseLocked = 128,

    /// <summary>Capabilities alone, and for good: user 0 is like any other, and nothing can change that.</summary>
    CapabilitiesOnly = NoRoot | NoRootLocked | NoSetuidFixup | NoSetuidFixupLocked | KeepCapsLocked | NoAmbientRaise | NoAmbientRaiseLocked,
}
