using Isolation.Linux.Programs;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Containers;

internal sealed partial class LaunchPlanner
{
    /// <summary>Pipes belong to who made them; the program's user has to own them to open them anew, as /dev/stdout is.</summary>
    private bool GivesPipes => !_spec.Terminal && _streams.Owned.Any(s => s is not null) && OutsideUser != _facts.UserId;

    /// <summary>The program's user as this process sees it; null where it does not know the map.</summary>
    private uint? OutsideUser => _join.JoinsUser ? null : _userNamespace.Users is { } map ? map.ToOutside(_user.UserId) : _user.UserId;

    /// <summary>This process gives them away where it may, since root in a user namespace may not where root of the host has made
    /// them.</summary>
    private bool ParentGivesPipes => OutsideUser is not null && _facts.Capabilities.Contains(Capability.Chown);

    private void AddStreams()
    {
        Add(StepSide.Parent, _streams.Open());
        if (GivesPipes && ParentGivesPipes)
            Add(StepSide.Parent, _streams.Give(OutsideUser!.Value, _userNamespace.Groups is { } map ? map.ToOutside(_user.GroupId)!.Value
                : _user.GroupId, handles: true));
    }

    /// <summary>In the user namespace, as its root. Once the sealed image runs, the caller's handles have other numbers.</summary>
    private void AddGivingFromInside()
    {
        bool late = _join.JoinsUser || BecomesRootLate;
        if (GivesPipes && !ParentGivesPipes)
            Add(late ? Inside : StepSide.Borrowed, _streams.Give(_user.UserId, _user.GroupId, handles: !late));
    }
}
