using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>What this kernel's Landlock can do. See landlock(7).</summary>
public static class Landlock
{
    /// <summary>The kernel's ABI version; 0 where Landlock is not built in, or not among the LSMs that were started (<c>lsm=</c>
    /// on the kernel's command line).</summary>
    public static int Abi { get; } = (int)Math.Max(0, Ask(LandlockAbi.LANDLOCK_CREATE_RULESET_VERSION));

    /// <summary>The errata of the ABI that are fixed, a bit each; 0 where the kernel does not tell.
    /// Since Linux 6.15, and updates of older ones.</summary>
    public static uint Errata { get; } = (uint)Math.Max(0, Ask(LandlockAbi.LANDLOCK_CREATE_RULESET_ERRATA));

    private static long Ask(uint what) => RawSyscall.Invoke(Syscall.landlock_create_ruleset, 0, 0, what).Value;
}
