namespace Isolation.Security;

/// <summary>How a misfeature of speculation is mitigated for a thread. See the kernel's "Speculation Control" guide.</summary>
public enum Speculation
{
    /// <summary><c>PR_SPEC_STORE_BYPASS</c>: Speculative Store Bypass. Since Linux 4.17.</summary>
    StoreBypass = 0,

    /// <summary><c>PR_SPEC_INDIRECT_BRANCH</c>: Spectre version 2. Since Linux 4.20.</summary>
    IndirectBranch = 1,

    /// <summary><c>PR_SPEC_L1D_FLUSH</c>: the L1 data cache is flushed when the thread is switched away from. Since Linux 5.16.</summary>
    L1dFlush = 2,
}
