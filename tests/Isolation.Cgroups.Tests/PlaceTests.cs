namespace Isolation.Cgroups.Tests;

/// <summary>Where an ordinary user's containers may get their control groups, and who is moved for them.</summary>
public class PlaceTests
{
    // 10 is a shell in the group, 11 its child, 12 this program; 20 was started by somebody outside of the group, 21 by 20.
    private static int? Parent(int id) => id switch { 10 => 5, 11 => 10, 12 => 11, 13 => 12, 20 => 5, 21 => 20, 5 => 1, 1 => 0, _ => null };

    [Theory]
    [InlineData("12", "")]
    [InlineData("12 13", "")]           // its child
    [InlineData("10 11 12 13", "")]     // what it was started by, within the group
    [InlineData("11 12", "")]
    [InlineData("12 20", "20")]
    [InlineData("10 12 20 21", "10 20 21")] // 11 has left: the shell is a relative no more
    [InlineData("12 99", "")]           // ended
    [InlineData("12 0", "0")]           // from outside of the PID namespace
    [InlineData("20 21", "20 21")]      // the program itself is in a leaf below
    public void Strangers_are_told_from_the_programs_own_processes(string members, string strangers)
    {
        int[] ids = [.. members.Split(' ').Select(int.Parse)];
        Assert.Equal(strangers, string.Join(' ', CgroupFamily.Strangers(ids, 12, Parent)));
    }

    [Theory]
    [InlineData("session-2.scope", true)]
    [InlineData("app.slice", true)]
    [InlineData("dbus.service", true)]
    [InlineData("jobs", false)]
    [InlineData("libpod-payload", false)]
    public void Units_of_systemd_are_known_by_their_names(string name, bool isUnit) => Assert.Equal(isUnit, Delegation.IsUnit(name));

    private const string Root = "/user.slice/user-7.slice/user@7.service";

    [Theory]
    [InlineData("/user.slice/user-7.slice/session-2.scope", "app.slice", "/app.slice")]
    [InlineData(Root + "/app.slice/app-gnome.slice/vte-1.scope", "app-gnome.slice", "/app.slice/app-gnome.slice")]
    [InlineData(Root + "/init.scope", "-.slice", "")]
    public void A_scope_is_planned_in_the_slice_of_the_one_it_is_asked_from(string self, string slice, string place)
    {
        PlannedScope scope = new UserManager(Root).PlanScope(self, _ => false)!;
        Assert.Equal((slice, $"{Root}{place}/{scope.Unit}"), (scope.Slice, scope.Path));
        Assert.Matches("^app-isolation-[0-9a-f]{8}[.]scope$", scope.Unit);
    }

    [Theory]
    [InlineData(Root + "/app.slice/work.service")] // systemd knows by its processes whether it runs
    [InlineData(Root + "/app.slice/run-1.scope/below")]
    [InlineData(Root)]
    public void Elsewhere_none_is(string self) => Assert.Null(new UserManager(Root).PlanScope(self, _ => false));

    [Fact]
    public void Only_the_limits_that_it_would_be_outside_of_count()
    {
        string[] asked = [];
        bool Limited(IEnumerable<string> levels) => (asked = [.. levels]).Length > 0;
        Assert.Null(new UserManager(Root).PlanScope(Root + "/app.slice/run-1.scope", Limited));
        Assert.Equal([Root + "/app.slice/run-1.scope"], asked);
        Assert.Null(new UserManager(Root).PlanScope("/user.slice/user-7.slice/session-2.scope", Limited));
        Assert.Equal(["/user.slice/user-7.slice/session-2.scope"], asked);
    }
}
