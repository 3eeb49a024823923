using Isolation.Linux;

namespace Isolation.Cgroups;

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
