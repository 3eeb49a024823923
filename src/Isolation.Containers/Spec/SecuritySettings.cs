using Isolation.Security;

namespace Isolation.Containers;

/// <summary>What restricts a container's program beside capabilities and no_new_privs, and how it is scheduled. Immutable;
/// the defaults are the safe ones.</summary>
/// <example><code>
/// builder = builder.WithSecurity(s =&gt; s with { DenyWriteExecute = true, CpuAffinity = CpuAffinity.Of(0, 1) });
/// </code></example>
public sealed record SecuritySettings
{
    /// <summary>The seccomp filter; null for <see cref="SeccompFilter.DefaultFor"/> the container's capabilities,
    /// unless <see cref="SeccompUnconfined"/>. Loaded last, directly before the program.</summary>
    public SeccompFilter? Seccomp { get; init; }

    /// <summary>Whether no filter is loaded.</summary>
    public bool SeccompUnconfined { get; init; }

    /// <summary>Whether the result lists the calls that the filter refused, with their arguments. Each then waits for this process, which
    /// refuses it; without this process it fails with <c>ENOSYS</c>. The program itself cannot have a listener then.</summary>
    public bool ReportDenials { get; init; }

    /// <summary>The Landlock ruleset, with paths as the container sees them; null for none.</summary>
    public LandlockRuleset? Landlock { get; init; }

    /// <summary>The AppArmor profile; null leaves that of this process. Needs a /proc mount.</summary>
    public string? AppArmorProfile { get; init; }

    /// <summary>The SELinux context of the program; null lets the policy choose. Needs a /proc mount.</summary>
    public SELinuxContext? SELinuxContext { get; init; }

    /// <summary>The SELinux context of the file systems that are made for the container: tmpfs, /dev, pseudo-terminals,
    /// the root's overlay. Null lets the policy choose.</summary>
    public SELinuxContext? SELinuxMountContext { get; init; }

    /// <summary>Whether the program gets a session keyring of its own, since keys know no namespaces.</summary>
    public bool NewSessionKeyring { get; init; } = true;

    /// <summary>Whether memory that is or was writable cannot be made executable.
    /// Programs that compile just in time do not run then. Since Linux 6.3.</summary>
    public bool DenyWriteExecute { get; init; }

    /// <summary>The execution domain; null leaves that of this process.</summary>
    public Personality? Personality { get; init; }

    /// <summary>The scheduling; null leaves that of this process.</summary>
    public Scheduling? Scheduling { get; init; }

    /// <summary>The I/O priority; null leaves that of this process.</summary>
    public IoPriority? IoPriority { get; init; }

    /// <summary>The processors; null leaves those of this process. <c>cpuset.cpus</c> is the limit that holds.</summary>
    public CpuAffinity? CpuAffinity { get; init; }

    /// <summary>Whether no foreign thread runs on the other half of a core of its own. Since Linux 5.14.</summary>
    public bool CoreScheduling { get; init; }
}
