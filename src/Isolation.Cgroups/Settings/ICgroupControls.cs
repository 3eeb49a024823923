namespace Isolation.Cgroups;

/// <summary>Takes settings: a list of them (<see cref="CgroupSettings"/>), or a control group that applies each at once.</summary>
/// <typeparam name="TSelf">What a call returns, for the next call.</typeparam>
public interface ICgroupControls<out TSelf>
{
    /// <summary>Takes one setting, typed or not by any of the <c>With</c> methods.</summary>
    TSelf With(CgroupSetting setting);
}
