namespace Isolation.Extensions.Hosting.Tests;

/// <summary>When a container is started again, and after how long.</summary>
public class RestartBackoffTests
{
    private static readonly TimeSpan s_short = TimeSpan.FromMilliseconds(5);

    [Theory]
    [InlineData(RestartPolicy.Never, true, false)]
    [InlineData(RestartPolicy.Never, false, false)]
    [InlineData(RestartPolicy.OnFailure, true, false)]
    [InlineData(RestartPolicy.OnFailure, false, true)]
    [InlineData(RestartPolicy.Always, true, true)]
    [InlineData(RestartPolicy.Always, false, true)]
    public void The_policy_decides(RestartPolicy policy, bool succeeded, bool restarts) =>
        Assert.Equal(restarts, new RestartBackoff(new() { Restart = policy }).After(succeeded, s_short) is not null);

    [Fact]
    public void The_delay_doubles_up_to_the_longest()
    {
        RestartBackoff backoff = Backoff();
        Assert.Equal([100, 200, 400, 800, 1000, 1000],
            Enumerable.Range(0, 6).Select(_ => backoff.After(false, s_short)!.Value.TotalMilliseconds));
        Assert.Equal(6, backoff.InRow);
    }

    [Fact]
    public void A_thousand_restarts_never_overflow()
    {
        var backoff = new RestartBackoff(new()
        { Restart = RestartPolicy.Always, MinimumDelay = TimeSpan.FromTicks(1), MaximumDelay = TimeSpan.FromDays(1) });
        TimeSpan[] delays = [.. Enumerable.Range(0, 1000).Select(_ => backoff.After(false, TimeSpan.Zero)!.Value)];
        Assert.Equal(delays.Order(), delays);
        Assert.Equal(TimeSpan.FromDays(1), delays[^1]);
    }

    [Theory]
    [InlineData(999, 400)]
    [InlineData(1000, 100)]
    public void A_healthy_time_counts_anew(int ranMilliseconds, int delay)
    {
        RestartBackoff backoff = Backoff();
        backoff.After(false, s_short);
        backoff.After(false, s_short);
        Assert.Equal(delay, backoff.After(false, TimeSpan.FromMilliseconds(ranMilliseconds))!.Value.TotalMilliseconds);
    }

    [Fact]
    public void After_so_many_in_a_row_there_is_none()
    {
        RestartBackoff backoff = Backoff(maximum: 2);
        Assert.NotNull(backoff.After(false, s_short));
        Assert.NotNull(backoff.After(false, s_short));
        Assert.Null(backoff.After(false, s_short));
        Assert.NotNull(backoff.After(false, TimeSpan.FromSeconds(2)));
    }

    [Fact]
    public void None_at_all_may_be_allowed() => Assert.Null(Backoff(maximum: 0).After(false, s_short));

    private static RestartBackoff Backoff(int? maximum = null) => new(new()
    {
        Restart = RestartPolicy.Always,
        MinimumDelay = TimeSpan.FromMilliseconds(100),
        MaximumDelay = TimeSpan.FromSeconds(1),
        HealthyAfter = TimeSpan.FromSeconds(1),
        MaximumRestarts = maximum,
    });
}
