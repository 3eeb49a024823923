namespace Isolation.Net.Routing;

/// <summary>What a rule does with a packet that it matches: <c>FR_ACT_*</c>.</summary>
public enum RuleAction : byte
{
    /// <summary>Looks in a table.</summary>
    Table = 1,

    /// <summary>Goes on at another rule.</summary>
    Goto = 2,

    /// <summary>Nothing.</summary>
    Nop = 3,

    /// <summary>Drops it.</summary>
    Blackhole = 6,

    /// <summary>Refuses it: network unreachable.</summary>
    Unreachable = 7,

    /// <summary>Refuses it: administratively prohibited.</summary>
    Prohibit = 8,
}
