using System.Collections.Immutable;
using Isolation.Linux;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>Settings by which other users than root can ping and use low ports in a network namespace of the container's own. Docker's,
/// since 20.10: "net.ipv4.ping_group_range" and "net.ipv4.ip_unprivileged_port_start" in daemon/oci_linux.go of moby.</summary>
internal static class UnprivilegedNetwork
{
    private const uint LastGroup = 2147483647; // GID_T_MAX of the kernel's net/ipv4/sysctl_net_ipv4.c

    private static readonly (string Name, string Value) s_ports = ("net.ipv4.ip_unprivileged_port_start", "0"),
        s_ping = ("net.ipv4.ping_group_range", "0 2147483647");

    /// <summary>Errors for which a setting is left: the kernel has none, or proc may not be written, as in an outer container.</summary>
    internal static ImmutableArray<Errno> Tolerated => [Errno.ENOENT, Errno.EROFS, Errno.EACCES];

    /// <summary>The settings. That of ping is a range of groups, both ends of which the writer's user namespace must map
    /// (EINVAL).</summary>
    /// <param name="groups">The groups of that namespace; null for all.</param>
    internal static IEnumerable<(string Name, string Value)> Settings(IdMap? groups) =>
        groups is null || (groups.ToOutside(0) is not null && groups.ToOutside(LastGroup) is not null) ? [s_ports, s_ping] : [s_ports];

    /// <summary>Sets them for the network namespace of the calling thread.</summary>
    internal static void SetForCurrentThread(IdMap? groups)
    {
        foreach ((string name, string value) in Settings(groups))
        {
            SyscallResult opened = FileSyscalls.OpenAt(null, "/proc/sys/" + name.Replace('.', '/'), Isolation.Linux.Abi.Fcntl.O_WRONLY);
            if (opened.IsError && Tolerated.Contains(opened.Errno))
                continue;
            opened.ThrowIfError("set", $"sysctl {name}", "openat(2)");
            using var file = new LinuxHandle((int)opened.Value);
            FileSyscalls.Write(file, System.Text.Encoding.ASCII.GetBytes(value))
                .ThrowIfError("set", $"sysctl {name} to \"{value}\"", "write(2)");
        }
    }
}
