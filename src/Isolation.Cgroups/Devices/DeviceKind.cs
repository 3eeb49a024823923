namespace Isolation.Cgroups;

/// <summary>The kinds of devices that a rule is about.</summary>
public enum DeviceKind
{
    /// <summary>Both.</summary>
    All,

    /// <summary>Block devices.</summary>
    Block,

    /// <summary>Character devices.</summary>
    Character,
}
