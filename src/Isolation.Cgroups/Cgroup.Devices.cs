using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Cgroups;

public abstract partial class Cgroup
{
    /// <summary>Restricts the use of devices by everything in it and below it to what the rules allow; in the place of earlier rules, with
    /// no moment without any.</summary>
    /// <remarks>On version 2 attaches an eBPF program (bpf(2), <c>BPF_CGROUP_DEVICE</c>; needs <c>CAP_SYS_ADMIN</c>, or <c>CAP_BPF</c> and
    /// <c>CAP_NET_ADMIN</c>). On version 1 writes <c>devices.deny</c> and <c>devices.allow</c>; there, while rules are replaced, all is
    /// denied for a moment. Processes keep what they have open.</remarks>
    /// <param name="rules">The rules; what none is about is denied.</param>
    /// <exception cref="LinuxException"><c>EPERM</c>: not privileged.</exception>
    public abstract void SetDevices(params IEnumerable<DeviceRule> rules);
}

public sealed partial class CgroupV2
{
    private const int MostPrograms = 64; // BPF_CGROUP_MAX_PROGS

    /// <inheritdoc/>
    public override void SetDevices(params IEnumerable<DeviceRule> rules)
    {
        using LoadedDeviceProgram program = DeviceProgram.Compile(rules).Load(ToString());
        Span<uint> ids = stackalloc uint[MostPrograms];
        SyscallResult query = BpfSyscalls.Query(_directory.Handle, Bpf.BPF_CGROUP_DEVICE, ids, out int count);
        query.ThrowIfError("read the device rules of", ToString(), "bpf(2)", LoadedDeviceProgram.Hint(query.Errno, ""));
        using Borrow directory = new(_directory.Handle);
        if (count == 1)
        {
            using LinuxHandle? before = TryOpen(ids[0]);
            program.Attach(directory.Number, before);
            return;
        }

        // Where several are attached, an access needs the consent of each: the new one first, then the others go.
        program.Attach(directory.Number);
        for (int i = 0; i < count; i++)
        {
            using LinuxHandle? before = TryOpen(ids[i]);
            if (before is not null)
                BpfSyscalls.Detach(_directory.Handle, before, Bpf.BPF_CGROUP_DEVICE)
                    .ThrowIfError("replace the device rules of", ToString(), "bpf(2)");
        }
    }

    private static LinuxHandle? TryOpen(uint id)
    {
        SyscallResult opened = BpfSyscalls.OpenById(id);
        return opened.IsError ? null : new LinuxHandle((int)opened.Value);
    }
}

public sealed partial class CgroupV1
{
    /// <inheritdoc/>
    public override void SetDevices(params IEnumerable<DeviceRule> rules)
    {
        ArgumentNullException.ThrowIfNull(rules);
        if (TryDirectory("devices") is not { } devices)
        {
            if (_unified is null)
                throw new KernelFeatureException("device rules", "the controller devices is not mounted", "Mount its hierarchy.");
            _unified.SetDevices(rules);
            return;
        }

        devices.Write(new CgroupSetting("devices.deny", "a"));
        foreach (DeviceRule rule in rules)
            devices.Write(new CgroupSetting(rule.Allow ? "devices.allow" : "devices.deny", rule.ToV1()));
    }
}
