using System.Collections.Immutable;
using System.Text;

namespace Isolation.Security;

/// <summary>What a process may do from some point on: an immutable value that prints itself. Everything that is not allowed is refused:
/// files, TCP and UDP ports, signals and abstract sockets to others by Landlock, as far as the kernel can; system calls by a filter, where
/// one is given; capabilities that are dropped.</summary>
/// <example><code>
/// Func&lt;SandboxPolicy, SandboxPolicy&gt; policy = s =&gt; s.Runtime().Read("/srv/data").Write("/tmp").ConnectTcp(443);
/// </code></example>
public sealed record SandboxPolicy
{
    internal SandboxPolicy()
    {
    }

    /// <summary>What Landlock restricts, and allows.</summary>
    public LandlockRuleset Landlock { get; private init; } = LandlockRuleset.Everything;

    /// <summary>The filter of system calls; null for none.</summary>
    public SeccompFilter? Filter { get; private init; }

    /// <summary>The capabilities that stay; null leaves them.</summary>
    public CapabilitySet? Capabilities { get; private init; }

    /// <summary>Allows reading files and listing directories below paths.</summary>
    public SandboxPolicy Read(params ReadOnlySpan<string> paths) => this with { Landlock = Landlock.Allow(LandlockFileAccess.Read, paths) };

    /// <summary>Allows reading and executing below paths.</summary>
    public SandboxPolicy Execute(params ReadOnlySpan<string> paths) =>
        this with { Landlock = Landlock.Allow(LandlockFileAccess.Read | LandlockFileAccess.Execute, paths) };

    /// <summary>Allows reading, writing, making and removing below paths.</summary>
    public SandboxPolicy Write(params ReadOnlySpan<string> paths) =>
        this with { Landlock = Landlock.Allow(LandlockFileAccess.Read | LandlockFileAccess.Write, paths) };

    /// <summary>Allows connecting to TCP ports.</summary>
    public SandboxPolicy ConnectTcp(params ReadOnlySpan<int> ports) =>
        this with { Landlock = Landlock.Allow(LandlockNetAccess.ConnectTcp, ports) };

    /// <summary>Allows binding TCP ports.</summary>
    public SandboxPolicy BindTcp(params ReadOnlySpan<int> ports) =>
        this with { Landlock = Landlock.Allow(LandlockNetAccess.BindTcp, ports) };

    /// <summary>Allows what a CLR and its class library read: the runtime, the program's own directory, shared libraries, time zones,
    /// certificates, /proc, the control group, random numbers.</summary>
    public SandboxPolicy Runtime()
    {
        // RUNTIME/shared/Microsoft.NETCore.App/VERSION/
        string runtime = Path.GetFullPath(
            Path.Combine(System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory(), "../../.."));
        string program = Path.GetDirectoryName(Environment.ProcessPath) ?? AppContext.BaseDirectory;
        return this with
        {
            Landlock = Landlock
                .AllowIfExists(LandlockFileAccess.Read | LandlockFileAccess.Execute, runtime, program, AppContext.BaseDirectory, "/lib",
                    "/lib64", "/usr/lib", "/usr/lib64")
                .AllowIfExists(LandlockFileAccess.Read, "/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo", "/etc/ssl",
                    "/usr/share/ca-certificates", "/usr/share/icu", "/proc", "/sys/fs/cgroup", "/sys/devices/system",
                    "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/passwd", "/etc/group")
                .AllowIfExists(LandlockFileAccess.Read | LandlockFileAccess.WriteFile | LandlockFileAccess.IoctlDev, "/dev/null",
                    "/dev/zero", "/dev/urandom", "/dev/random", "/dev/tty"),
        };
    }

    /// <summary>Filters system calls, on every thread.</summary>
    public SandboxPolicy Seccomp(SeccompFilter filter) => this with { Filter = filter ?? throw new ArgumentNullException(nameof(filter)) };

    /// <summary>Drops every capability.</summary>
    public SandboxPolicy DropAll() => this with { Capabilities = CapabilitySet.None };

    /// <summary>Drops every capability but these.</summary>
    public SandboxPolicy Keep(CapabilitySet capabilities) => this with { Capabilities = capabilities };

    /// <summary>Changes the ruleset: rights that are required, audit flags, single rights.</summary>
    public SandboxPolicy WithLandlock(Func<LandlockRuleset, LandlockRuleset> change)
    {
        ArgumentNullException.ThrowIfNull(change);
        return this with { Landlock = change(Landlock) };
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        var text = new StringBuilder("Landlock:\n").Append(Landlock);
        if (Filter is not null)
            text.Append("seccomp:\n").Append(Filter);
        if (Capabilities is { } kept)
            text.Append("capabilities kept: ").Append(kept).Append('\n');
        return text.ToString();
    }
}
