using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>Which Linux security modules are active, and how they label a process.</summary>
/// <remarks>See the kernel's LSM guide, and proc_pid_attr(5).</remarks>
public static class SecurityModules
{
    private static readonly Lazy<ImmutableArray<string>> s_active = new(Find, LazyThreadSafetyMode.PublicationOnly);

    /// <summary>Their names in the kernel's order: <c>lockdown, capability, landlock, apparmor</c>. From securityfs where that is mounted;
    /// else those that can be detected otherwise.</summary>
    public static ImmutableArray<string> Active => s_active.Value;

    /// <summary>Whether a module is active: <c>apparmor</c>, <c>selinux</c>, <c>landlock</c>, <c>smack</c>, <c>yama</c>.</summary>
    public static bool Has(string name) => Active.Contains(name);

    /// <summary>The label of a process as a module shows it, from the module's own directory in /proc/PID/attr, or the one that all share
    /// on older kernels; null where there is none.</summary>
    /// <param name="module">The module's name.</param>
    /// <param name="processId">The process.</param>
    public static string? LabelOf(string module, int processId) =>
        ReadAttribute(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/attr"), module, "current");

    internal static string? LabelOfCurrentThread(string module) => ReadAttribute("/proc/thread-self/attr", module, "current");

    /// <summary>Where a module's attribute lies below /proc/thread-self: its own directory (Linux 5.8 for AppArmor), or for SELinux,
    /// which has none, the shared one.</summary>
    internal static string AttributePath(string module, string name) =>
        Directory.Exists("/proc/self/attr/" + module) ? $"attr/{module}/{name}" : $"attr/{name}";

    /// <summary>Writes an attribute of the calling thread.</summary>
    internal static void WriteAttribute(string module, string name, string value, string action)
    {
        string path = "/proc/thread-self/" + AttributePath(module, name);
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            file.Write(System.Text.Encoding.UTF8.GetBytes(value));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Errno errno = LinuxException.Of(action, value, e).Errno;
            throw new LinuxException(action, $"\"{value}\"", "write(2)", errno, remedy: Hint(module, errno));
        }
    }

    internal static string? Hint(string module, Errno errno) => errno switch
    {
        Errno.ENOENT => module == "apparmor"
            ? "No such profile is loaded; apparmor_parser(8) loads one."
            : $"The kernel has no such attribute: {module} is not active.",
        Errno.EINVAL => module == "selinux" ? "The policy has no such context." : "The module takes no such label.",
        Errno.EACCES or Errno.EPERM => "The present label, or no_new_privs, does not allow the change.",
        _ => null,
    };

    private static string? ReadAttribute(string directory, string module, string name)
    {
        foreach (string path in new[] { $"{directory}/{module}/{name}", $"{directory}/{name}" })
        {
            try
            {
                if (TextFile.ReadIfAllowed(path)?.TrimEnd('\0', '\n') is { } text)
                    return text.Length == 0 ? null : text;
            }
            catch (LinuxException e) when (e.Errno == Errno.EINVAL)
            {
                // No module that is active has such an attribute.
            }

            if (Directory.Exists($"{directory}/{module}"))
                return null; // the shared file would be another module's
        }

        return null;
    }

    private static ImmutableArray<string> Find()
    {
        const string List = "/sys/kernel/security/lsm";
        if (TextFile.ReadIfAllowed(List) is { } list)
            return [.. list.Trim().Split(',', StringSplitOptions.RemoveEmptyEntries)];
        var found = ImmutableArray.CreateBuilder<string>();
        found.Add("capability");
        if (Landlock.Abi > 0)
            found.Add("landlock");
        if (File.Exists("/proc/sys/kernel/yama/ptrace_scope"))
            found.Add("yama");
        if (TextFile.ReadIfAllowed("/sys/module/apparmor/parameters/enabled")?.StartsWith('Y') == true)
            found.Add("apparmor");
        if (File.Exists("/sys/fs/selinux/enforce"))
            found.Add("selinux");
        return found.ToImmutable();
    }
}
