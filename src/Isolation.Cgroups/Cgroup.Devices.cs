using Isolation.Linux;

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
