using Isolation.Linux;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>SELinux's labels: which are in force, and which are to be. See selinux(8).</summary>
public static class SELinux
{
    internal const string Module = "selinux";

    /// <summary>Whether the kernel runs SELinux with a policy.</summary>
    public static bool IsActive => SecurityModules.Has(Module) && File.Exists("/sys/fs/selinux/enforce");

    /// <summary>Whether refusals are enforced, not only logged.</summary>
    public static bool IsEnforcing => IsActive && TextFile.Read("/sys/fs/selinux/enforce").StartsWith('1');

    /// <summary>The calling thread's context; null where SELinux is not active.</summary>
    public static SELinuxContext? ContextOfCurrentThread => Read(IsActive ? SecurityModules.LabelOfCurrentThread(Module) : null);

    /// <summary>A process's context; null where SELinux is not active.</summary>
    public static SELinuxContext? ContextOf(int processId) => Read(IsActive ? SecurityModules.LabelOf(Module, processId) : null);

    /// <summary>Sets the context that the calling thread's next execve(2) puts in force: setexeccon(3).</summary>
    /// <exception cref="KernelFeatureException">SELinux is not active.</exception>
    /// <exception cref="LinuxException"><c>EINVAL</c>: the policy has no such context.</exception>
    public static void SetExecContextForCurrentThread(SELinuxContext context)
    {
        Require();
        SecurityModules.WriteAttribute(Module, "exec", context.ToString(), "set the context for the next program to");
    }

    /// <summary>A file's context; null where it has none.</summary>
    public static SELinuxContext? ContextOfFile(string path)
    {
        Span<byte> value = stackalloc byte[512];
        SyscallResult result = ExtendedAttributeSyscalls.Get(path, "security.selinux", value);
        return result.IsError ? null : Read(System.Text.Encoding.UTF8.GetString(value[..(int)result.Value]).TrimEnd('\0'));
    }

    internal static void Require()
    {
        if (!IsActive)
            throw new KernelFeatureException("SELinux",
                $"the kernel's active security modules are {string.Join(", ", SecurityModules.Active)}",
                "Boot with security=selinux selinux=1 and a policy, or do without labels.");
    }

    private static SELinuxContext? Read(string? text) => text is null || text.Count(c => c == ':') < 2 ? null : SELinuxContext.Parse(text);
}
