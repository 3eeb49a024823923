namespace Isolation.Linux.Abi;

/// <summary>Constants of linux/seccomp.h.</summary>
internal static class SeccompAbi
{
    internal const uint SECCOMP_SET_MODE_FILTER = 1;
    internal const uint SECCOMP_FILTER_FLAG_TSYNC = 1;
    internal const uint SECCOMP_FILTER_FLAG_LOG = 2;
    internal const uint SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4;
    internal const uint SECCOMP_FILTER_FLAG_NEW_LISTENER = 8;
    internal const uint SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 32;

    internal const uint SECCOMP_IOCTL_NOTIF_RECV = 0xC0502100;
    internal const uint SECCOMP_IOCTL_NOTIF_SEND = 0xC0182101;
    internal const uint SECCOMP_IOCTL_NOTIF_ID_VALID = 0x40082102;
    internal const uint SECCOMP_IOCTL_NOTIF_ADDFD = 0x40182103;
    internal const uint SECCOMP_IOCTL_NOTIF_SET_FLAGS = 0x40082104;
    internal const uint SECCOMP_USER_NOTIF_FLAG_CONTINUE = 1;
    internal const uint SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP = 1;
    internal const uint SECCOMP_ADDFD_FLAG_SETFD = 1;
    internal const uint SECCOMP_ADDFD_FLAG_SEND = 2;
}
