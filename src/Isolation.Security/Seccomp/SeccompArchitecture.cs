namespace Isolation.Security;

/// <summary>A calling convention of system calls, as a filter tells them apart.
/// A 64-bit kernel serves several: each is another way in.</summary>
/// <remarks>See seccomp(2), "Filters", and the kernel's <c>AUDIT_ARCH_*</c> in linux/audit.h.</remarks>
public enum SeccompArchitecture
{
    /// <summary>x86-64: <c>AUDIT_ARCH_X86_64</c>, OCI's <c>SCMP_ARCH_X86_64</c>.</summary>
    X64,

    /// <summary>x86-64 with 32-bit pointers: <c>AUDIT_ARCH_X86_64</c> with bit 30 set in the number, OCI's <c>SCMP_ARCH_X32</c>.</summary>
    X32,

    /// <summary>i386, also reached from 64-bit programs by <c>int 0x80</c>: <c>AUDIT_ARCH_I386</c>, OCI's <c>SCMP_ARCH_X86</c>.</summary>
    X86,

    /// <summary>64-bit Arm: <c>AUDIT_ARCH_AARCH64</c>, OCI's <c>SCMP_ARCH_AARCH64</c>.</summary>
    Arm64,

    /// <summary>32-bit Arm (EABI): <c>AUDIT_ARCH_ARM</c>, OCI's <c>SCMP_ARCH_ARM</c>.</summary>
    Arm,
}

/// <summary>What the kernel calls an architecture, and what it means for numbers and arguments.</summary>
internal static class SeccompArchitectures
{
    /// <summary>Set in the number of every x32 call.</summary>
    internal const uint X32Bit = 0x40000000;

    // asm/unistd.h of 32-bit Arm: __ARM_NR_BASE. Its own calls, such as cacheflush(2), lie from there on.
    private const uint ArmBase = 0xF0000;

    private static readonly (SeccompArchitecture Architecture, uint Audit, string Oci, string Go)[] s_names =
    [
        (SeccompArchitecture.X64, 0xC000003E, "SCMP_ARCH_X86_64", "amd64"),
        (SeccompArchitecture.X32, 0xC000003E, "SCMP_ARCH_X32", "x32"),
        (SeccompArchitecture.X86, 0x40000003, "SCMP_ARCH_X86", "x86"),
        (SeccompArchitecture.Arm64, 0xC00000B7, "SCMP_ARCH_AARCH64", "arm64"),
        (SeccompArchitecture.Arm, 0x40000028, "SCMP_ARCH_ARM", "arm"),
    ];

    // The OCI runtime specification's others.
    private static readonly string[] s_others =
    [
        "LOONGARCH64", "M68K", "MIPS", "MIPS64", "MIPS64N32", "MIPSEL", "MIPSEL64", "MIPSEL64N32", "PARISC", "PARISC64",
        "PPC", "PPC64", "PPC64LE",
        "RISCV64", "S390", "S390X", "SH", "SHEB",
    ];

    /// <summary>The architecture of this process.</summary>
    internal static SeccompArchitecture Native => System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture switch
    {
        System.Runtime.InteropServices.Architecture.X64 => SeccompArchitecture.X64,
        System.Runtime.InteropServices.Architecture.Arm64 => SeccompArchitecture.Arm64,
        var other => throw new PlatformNotSupportedException($"Isolation supports x86-64 and arm64, not {other}."),
    };

    internal static uint Audit(this SeccompArchitecture architecture) => Row(architecture).Audit;

    internal static string OciName(this SeccompArchitecture architecture) => Row(architecture).Oci;

    /// <summary>The name in the includes and excludes of a profile.</summary>
    internal static string ProfileName(this SeccompArchitecture architecture) => Row(architecture).Go;

    /// <summary>Where the numbers end that new calls are given. The number -1 is how a tracer skips a call: of no architecture.</summary>
    internal static uint NumbersEnd(this SeccompArchitecture architecture) => architecture switch
    {
        SeccompArchitecture.X64 => X32Bit,
        SeccompArchitecture.Arm => ArmBase,
        _ => uint.MaxValue,
    };

    /// <summary>Whether the kernel hands over arguments of 32 bits.</summary>
    internal static bool HasShortArguments(this SeccompArchitecture architecture) =>
        architecture is SeccompArchitecture.X86 or SeccompArchitecture.Arm;

    internal static SeccompArchitecture? FromOciName(string name) => Array.Find(s_names, n => n.Oci == name) is { Oci: not null } row
        ? row.Architecture
        : null;

    /// <summary>Whether OCI has a name for an architecture that no filter here is for.</summary>
    internal static bool IsOfAnotherMachine(string name) => name.StartsWith("SCMP_ARCH_", StringComparison.Ordinal)
        && s_others.Contains(name[10..]);

    /// <summary>Which architecture a call belongs to, by what the kernel tells a filter; null for one that is not known here.</summary>
    internal static SeccompArchitecture? Of(uint audit, uint number)
    {
        bool x32 = audit == Audit(SeccompArchitecture.X64) && number is >= X32Bit and not uint.MaxValue;
        return x32 ? SeccompArchitecture.X32
            : Array.Find(s_names, n => n.Audit == audit) is { Oci: not null } row ? row.Architecture
            : null;
    }

    private static (SeccompArchitecture Architecture, uint Audit, string Oci, string Go) Row(SeccompArchitecture architecture) =>
        (int)architecture is >= 0 and < 5
            ? s_names[(int)architecture]
            : throw new ArgumentOutOfRangeException(nameof(architecture), architecture, "Unknown architecture.");
}
