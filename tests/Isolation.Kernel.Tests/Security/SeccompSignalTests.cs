using Isolation.Containers;
using Isolation.Linux;
using Isolation.Security;

namespace Isolation.Kernel.Tests.Security;

/// <summary>Signals that come while a call waits for its answer: seccomp(2) and seccomp_unotify(2), of
/// <c>SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV</c>.</summary>
public class SeccompSignalTests
{
    private static readonly TimeSpan s_answer = TimeSpan.FromMilliseconds(200);

    // A timer of 1 ms goes off until it has gone off 300 times, or the call is over. The handler restarts calls, or lets them fail.
    private const string Source = """
        #define _GNU_SOURCE
        #include <errno.h>
        #include <signal.h>
        #include <stdio.h>
        #include <string.h>
        #include <sys/syscall.h>
        #include <sys/time.h>
        #include <unistd.h>
        static volatile int alarms;
        static void stop(void) { struct itimerval none; memset(&none, 0, sizeof none); setitimer(ITIMER_REAL, &none, 0); }
        static void alarmed(int signal) { (void)signal; if (++alarms == 300) stop(); }
        int main(int argc, char **argv)
        {
            struct sigaction action;
            struct itimerval every = { { 0, 1000 }, { 0, 1000 } };
            memset(&action, 0, sizeof action);
            action.sa_handler = alarmed;
            action.sa_flags = argc > 1 ? SA_RESTART : 0;
            sigaction(SIGALRM, &action, 0);
            setitimer(ITIMER_REAL, &every, 0);
            errno = 0;
            long r = syscall(SYS_sethostname, "x", 1L);
            int error = errno;
            stop();
            printf("%ld %d %d\n", r, error, alarms);
            return 0;
        }
        """;

    private static async Task<(long Result, int Errno, int Alarms)> Run(Func<ContainerBuilder, ContainerBuilder> with, bool restarts)
    {
        Host.NeedsTool("gcc");
        using var directory = new TemporaryDirectory();
        string program = Path.Combine(directory.Path, "alarms");
        (int code, string said) = Host.Run("gcc", "-w", "-O1", "-o", program, directory.Write("alarms.c", Source));
        Assert.True(code == 0, said);
        string output = await with(Box.Builder(restarts ? ["/mnt/alarms", "restart"] : ["/mnt/alarms"])
            .AddMount(new Namespaces.BindMount(directory.Path, "/mnt"))).OutputAsync();
        long[] told = [.. output.Split(' ').Select(long.Parse)];
        return (told[0], (int)told[1], (int)told[2]);
    }

    private static async Task<(long Result, int Asked, int Alarms)> AskedSlowly(SeccompFlags flags)
    {
        int asked = 0;
        SeccompFilter filter = SeccompFilter.Of(SeccompAction.Allow).Add(SeccompAction.UserNotify, "sethostname").WithFlags(flags);
        (long result, _, int alarms) = await Run(b => b.WithSeccomp(filter, async _ =>
        {
            Interlocked.Increment(ref asked);
            await Task.Delay(s_answer);
            return SeccompReply.Return(4711);
        }), restarts: true);
        return (result, asked, alarms);
    }

    [Fact]
    public async Task A_call_that_was_received_waits_out_signals_where_the_filter_says_so()
    {
        Assert.SkipWhen(KernelVersion.Running < new KernelVersion(5, 19), "needs Linux 5.19 for WAIT_KILLABLE_RECV");
        (long result, int asked, _) = await AskedSlowly(SeccompFlags.WaitKillableRecv);
        // Signals of before the call was received had it begin anew, and nobody was asked then.
        Assert.Equal((4711, 1), (result, asked));
    }

    [Fact]
    public async Task Without_it_a_timer_has_the_call_begin_anew_and_the_handler_asked_again()
    {
        (long result, int asked, int alarms) = await AskedSlowly(SeccompFlags.None);
        TestContext.Current.TestOutputHelper!.WriteLine($"asked {asked} times, with {alarms} alarms");
        // Not each time: a caller that has no processor meanwhile finds its answer there.
        Assert.True(result == 4711 && asked > 1, $"{result}, asked {asked} times");
    }

    [Fact]
    public async Task A_denial_report_has_received_calls_wait_out_signals()
    {
        ContainerBuilder reported = Box.Builder("true").WithDenialReport();
        Assert.Contains("NEW_LISTENER|SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
            Program(HostFacts.Current with { Kernel = new KernelVersion(5, 19) }));
        Assert.Contains("NEW_LISTENER, ", Program(HostFacts.Current with { Kernel = new KernelVersion(5, 18) }));
        // A handler may take its time, and the filter says how its calls wait.
        reported = reported.WithSeccomp(SeccompFilter.Default.Add(SeccompAction.UserNotify, "sync"), _ => new(SeccompReply.Continue));
        Assert.Contains("NEW_LISTENER, ", Program(HostFacts.Current));
        // Restarted, a refused call is refused in the end. How often it can be interrupted before it is received nobody can say.
        (long result, int errno, _) = await Run(b => b.WithDenialReport(), restarts: true);
        Assert.Equal((-1, (int)Errno.EPERM), (result, errno));
        (result, errno, _) = await Run(b => b.WithDenialReport(), restarts: false);
        Assert.True(result == -1 && (Errno)errno is Errno.EPERM or Errno.EINTR, $"{result} {errno}");

        string Program(HostFacts facts) => string.Join('\n', reported.Build().Plan(facts).Steps.SelectMany(s => s.Calls));
    }

    // The kernel refuses the flag without a listener (EINVAL: kernel/seccomp.c, seccomp_set_mode_filter); it has no meaning there.
    [Fact]
    public async Task The_flag_of_a_filter_that_asks_nobody_is_left_out()
    {
        SeccompFilter filter = SeccompProfile.Read(
            """{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]}""");
        Assert.Equal(SeccompFlags.WaitKillableRecv, filter.Flags);
        Assert.Equal("ran", await Box.Shell("echo ran").WithSeccomp(filter).OutputAsync());
    }
}
