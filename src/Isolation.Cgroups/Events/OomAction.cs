using Isolation.Linux;

namespace Isolation.Cgroups;

/// <summary>The action for a control group that runs out of memory.</summary>
public sealed record OomAction
{
    private OomAction(ByteSize? limit, bool kills) => (Limit, Kills) = (limit, kills);

    /// <summary>Lets it run on as it is: on version 2 throttled, on version 1 the kernel kills one of its
    /// processes unless memory was freed.</summary>
    public static OomAction Resume { get; } = new(null, false);

    /// <summary>Kills everything in it.</summary>
    public static OomAction Kill { get; } = new(null, true);

    /// <summary>Raises the limit, and lets it run on.</summary>
    public static OomAction RaiseTo(ByteSize limit) => new(limit, false);

    internal ByteSize? Limit { get; }

    internal bool Kills { get; }
}
