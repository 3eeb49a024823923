namespace Isolation.Linux;

/// <summary>A signal, by the number that x86-64 and arm64 give it.</summary>
/// <remarks>Source: signal(7). The real-time signals are 32 to 64, of which C libraries keep the lowest for themselves: cast the
/// number, as in <c>(Signal)40</c>.</remarks>
public enum Signal
{
    /// <summary>No signal: asks whether one could be sent (kill(2)).</summary>
    None = 0,

    /// <summary>The controlling terminal hung up, or the leader of the session ended.</summary>
    SIGHUP = 1,

    /// <summary>The interrupt key (Ctrl-C).</summary>
    SIGINT = 2,

    /// <summary>The quit key; dumps core.</summary>
    SIGQUIT = 3,

    /// <summary>An illegal instruction; dumps core.</summary>
    SIGILL = 4,

    /// <summary>A trace or breakpoint trap; dumps core.</summary>
    SIGTRAP = 5,

    /// <summary>abort(3); dumps core.</summary>
    SIGABRT = 6,

    /// <summary>A bus error, such as a bad alignment; dumps core.</summary>
    SIGBUS = 7,

    /// <summary>An arithmetic error; dumps core.</summary>
    SIGFPE = 8,

    /// <summary>Ends a process. It cannot be caught, blocked or ignored.</summary>
    SIGKILL = 9,

    /// <summary>For the program's own use.</summary>
    SIGUSR1 = 10,

    /// <summary>An invalid memory reference; dumps core.</summary>
    SIGSEGV = 11,

    /// <summary>For the program's own use.</summary>
    SIGUSR2 = 12,

    /// <summary>A write to a pipe that nobody reads.</summary>
    SIGPIPE = 13,

    /// <summary>The timer of alarm(2).</summary>
    SIGALRM = 14,

    /// <summary>Asks a process to end.</summary>
    SIGTERM = 15,

    /// <summary>A stack fault of a coprocessor; unused.</summary>
    SIGSTKFLT = 16,

    /// <summary>A child stopped, continued or ended.</summary>
    SIGCHLD = 17,

    /// <summary>Continues a stopped process.</summary>
    SIGCONT = 18,

    /// <summary>Stops a process. It cannot be caught, blocked or ignored.</summary>
    SIGSTOP = 19,

    /// <summary>The stop key (Ctrl-Z).</summary>
    SIGTSTP = 20,

    /// <summary>A background process reads from its terminal.</summary>
    SIGTTIN = 21,

    /// <summary>A background process writes to its terminal.</summary>
    SIGTTOU = 22,

    /// <summary>Urgent data arrived at a socket.</summary>
    SIGURG = 23,

    /// <summary>The CPU time limit is exceeded (RLIMIT_CPU, setrlimit(2)).</summary>
    SIGXCPU = 24,

    /// <summary>The file size limit is exceeded (RLIMIT_FSIZE, setrlimit(2)).</summary>
    SIGXFSZ = 25,

    /// <summary>The virtual timer of setitimer(2).</summary>
    SIGVTALRM = 26,

    /// <summary>The profiling timer of setitimer(2).</summary>
    SIGPROF = 27,

    /// <summary>The terminal's window changed its size.</summary>
    SIGWINCH = 28,

    /// <summary>I/O is possible on a descriptor.</summary>
    SIGIO = 29,

    /// <summary>The power fails.</summary>
    SIGPWR = 30,

    /// <summary>A bad system call, as a seccomp filter that kills sends it; dumps core.</summary>
    SIGSYS = 31,
}
