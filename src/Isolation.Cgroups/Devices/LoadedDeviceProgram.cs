using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Cgroups;

/// <summary>A device program that the kernel has checked and compiled; attached to any number of control groups.</summary>
internal sealed class LoadedDeviceProgram : IDisposable
{
    private readonly LinuxHandle _program;
    private readonly string _subject;

    internal LoadedDeviceProgram(DeviceProgram program, string subject)
    {
        SyscallResult loaded = BpfSyscalls.Load(Bpf.BPF_PROG_TYPE_CGROUP_DEVICE, program.ToBytes(), "isolation_dev", out string log);
        loaded.ThrowIfError("load the device rules for", subject, "bpf(2)", Hint(loaded.Errno, log));
        _program = new LinuxHandle((int)loaded.Value);
        _subject = subject;
    }

    /// <summary>Attaches the program, in the place of another where one is given.</summary>
    internal void Attach(int cgroup, LinuxHandle? replaced = null)
    {
        SyscallResult attached = BpfSyscalls.Attach(cgroup, _program, Bpf.BPF_CGROUP_DEVICE, replaced);
        attached.ThrowIfError("attach the device rules to", _subject, "bpf(2)", Hint(attached.Errno, ""));
    }

    internal static string? Hint(Errno errno, string log) => errno switch
    {
        Errno.EPERM or Errno.EACCES when log.Length == 0 => "Device rules need CAP_SYS_ADMIN, or CAP_BPF and CAP_NET_ADMIN, in the "
            + "initial user namespace; in a user namespace the devices that may be opened are limited already.",
        Errno.EINVAL when log.Length == 0 =>
            "This kernel was built without CONFIG_CGROUP_BPF, or a program of another kind than BPF_F_ALLOW_MULTI is attached above.",
        _ => log.Length == 0 ? null : "The kernel's verifier says: " + log.Trim(),
    };

    public void Dispose() => _program.Dispose();
}
