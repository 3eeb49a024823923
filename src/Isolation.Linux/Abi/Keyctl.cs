namespace Isolation.Linux.Abi;

/// <summary>Constants of linux/keyctl.h.</summary>
internal static class Keyctl
{
    internal const int KEYCTL_GET_KEYRING_ID = 0;
    internal const int KEYCTL_JOIN_SESSION_KEYRING = 1;
    internal const int KEY_SPEC_SESSION_KEYRING = -3;
}
