namespace Isolation.Security;

/// <summary>The execution domain of a process: <c>PER_*</c> in the low byte, flags above. See personality(2).</summary>
[Flags]
public enum Personality : uint
{
    /// <summary><c>PER_LINUX</c>.</summary>
    Linux = 0,

    /// <summary><c>PER_LINUX32</c>: uname(2) tells a 32-bit machine. OCI's <c>LINUX32</c>.</summary>
    Linux32 = 8,

    /// <summary><c>UNAME26</c>: uname(2) tells Linux 2.6.</summary>
    Uname26 = 0x0020000,

    /// <summary><c>ADDR_NO_RANDOMIZE</c>: addresses are the same in every run.</summary>
    AddressNoRandomize = 0x0040000,

    /// <summary><c>READ_IMPLIES_EXEC</c>: readable memory is executable.</summary>
    ReadImpliesExec = 0x0400000,

    /// <summary><c>ADDR_LIMIT_32BIT</c>: addresses below 4 GiB.</summary>
    AddressLimit32Bit = 0x0800000,
}
