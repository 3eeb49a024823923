using Isolation.Cgroups;

namespace Isolation.Kernel.Tests.Cgroups;

/// <summary>Where an ordinary user's containers get their control group on a host that systemd runs: only in one that is delegated
/// ("Two Key Design Rules" of systemd's CGROUP_DELEGATION), and nobody else is moved.</summary>
public class DelegationTests
{
    private const string App = "/user.slice/user-1000.slice/user@1000.service/app.slice";

    private static readonly string s_launcher = $"dotnet {Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll")}";

    private static string Victim => $"dotnet {Path.Combine(AppContext.BaseDirectory, "Isolation.Testing.Victim.dll")}";

    /// <summary>Runs a script in a scope as a login session has it: below the user's slice, and not below the user's own systemd.</summary>
    private static (int Code, string Output) InSession(string script, params string[] properties)
    {
        Host.NeedsRoot();
        Assert.SkipUnless(SystemdScope.IsAvailable && Directory.Exists("/sys/fs/cgroup" + App[..^"/app.slice".Length]),
            "needs systemd with an instance of user 1000: the test machine");
        return Host.Run("systemd-run", ["--scope", "-q", "--slice=user-1000.slice", "--uid=1000", "--gid=1000",
            $"--unit=session-{Guid.NewGuid():n}.scope", .. properties, "--", "env", "-u", "XDG_SESSION_ID", "HOME=/home/tester",
            "XDG_RUNTIME_DIR=/run/user/1000", "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus", "sh", "-c", script]);
    }

    private static string InUserScope(string script, string properties = "") =>
        $"systemd-run --user --scope -q {properties} -- sh -c '{script}'";

    [Fact]
    public void In_a_login_session_a_container_with_a_limit_gets_a_scope_of_its_own_and_the_shell_stays()
    {
        string name = $"placed-{Guid.NewGuid():n}";
        (_, string output) = InSession($"""
            cat /proc/$$/cgroup
            {s_launcher} run --name {name} --memory 64m sleep 5 &
            for i in $(seq 200); do
                place=$(ls -d /sys/fs/cgroup{App}/app-isolation-*.scope/isolation-{name} 2>/dev/null) && break; sleep 0.1
            done
            cat $place/memory.max
            wait $! && echo ended
            cat /proc/$$/cgroup
            for i in $(seq 100); do [ -d ${"{place%/*}"} ] || break; sleep 0.1; done
            [ -d ${"{place%/*}"} ] || echo gone
            """);
        string[] lines = output.TrimEnd('\n').Split('\n');
        Assert.True(lines.Length == 5, output);
        Assert.StartsWith("0::/user.slice/user-1000.slice/session-", lines[0]);
        Assert.Equal(["67108864", "ended", lines[0], "gone"], lines[1..]);
    }

    [Fact]
    public void Without_a_limit_nothing_is_asked_of_systemd_and_nobody_is_moved()
    {
        (int code, string output) = InSession($"{s_launcher} run --plan true | grep -c \"create a cgroup\"; "
            + $"{s_launcher} run sh -c \"echo in\"; cat /proc/$$/cgroup");
        string[] lines = output.TrimEnd('\n').Split('\n');
        Assert.Equal((0, "0", "in"), (code, lines[0], lines[1]));
        Assert.StartsWith("0::/user.slice/user-1000.slice/session-", lines[2]);
    }

    [Fact]
    public void A_scope_that_is_not_delegated_is_not_divided()
    {
        // It is its user's to write to, as all below the user's own systemd; its shell is moved by nobody.
        (int code, string output) = InSession(InUserScope($"cat /proc/$$/cgroup; {s_launcher} run --pids-limit 33 true && echo ran; "
            + "cat /proc/$$/cgroup"));
        string[] lines = output.TrimEnd('\n').Split('\n');
        Assert.True(code == 0 && lines.Length == 3, output);
        Assert.StartsWith($"0::{App}/run-", lines[0]);
        Assert.Equal(["ran", lines[0]], lines[1..]);
    }

    [Fact]
    public void A_container_leaves_no_limit_of_the_program_that_starts_it()
    {
        // A scope beside would be outside of the limit: refused, and told.
        (_, string output) = InSession(InUserScope($"{s_launcher} run --pids-limit 33 true 2>&1; echo $?; {s_launcher} run true; echo $?",
            "-p MemoryMax=800M"));
        string[] lines = output.TrimEnd('\n').Split('\n');
        Assert.True(lines.Length == 3, output);
        Assert.Contains("is not delegated to its user", lines[0]);
        Assert.Contains("Delegate=yes", lines[0]);
        Assert.Equal(["125", "0"], lines[1..]);
    }

    [Fact]
    public void A_delegated_scope_is_divided_with_what_was_started_in_it()
    {
        (int code, string output) = InSession(InUserScope($"cat /proc/$$/cgroup; {s_launcher} run --memory 64m true && echo ran; "
            + "cat /proc/$$/cgroup", "-p Delegate=yes -p MemoryMax=800M"));
        string[] lines = output.TrimEnd('\n').Split('\n');
        Assert.True(code == 0 && lines.Length == 3, output);
        Assert.StartsWith($"0::{App}/run-", lines[0]);
        Assert.Equal(["ran", lines[0] + "/isolation-own"], lines[1..]);
    }

    [Fact]
    public void A_process_of_another_session_is_moved_by_systemd()
    {
        // The control group above both belongs to root, so that a write of cgroup.procs is refused: cgroups(7), "Delegation containment".
        string inner = InUserScope($"{Victim} --attach $0", "-p Delegate=yes").Replace("'", "\"", StringComparison.Ordinal)
            .Replace("$0", "$p", StringComparison.Ordinal);
        (int code, string output) = InSession($"sleep 100 & p=$!; cat /proc/$p/cgroup; {inner}; cat /proc/$p/cgroup; kill $p");
        string[] lines = output.TrimEnd('\n').Split('\n');
        Assert.True(code == 0 && lines.Length == 4, output);
        Assert.StartsWith("0::/user.slice/user-1000.slice/session-", lines[0]);
        Assert.StartsWith($"{App}/run-", lines[1]);
        Assert.EndsWith("/held", lines[1]);
        Assert.Equal(("EACCES", "0::" + lines[1]), (lines[2], lines[3]));
    }
}
