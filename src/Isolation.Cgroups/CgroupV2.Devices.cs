using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Cgroups;

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
