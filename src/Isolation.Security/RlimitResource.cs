namespace Isolation.Security;

/// <summary>A resource that setrlimit(2) limits, by its kernel number.</summary>
public enum RlimitResource
{
    /// <summary><c>RLIMIT_CPU</c>: CPU time, in seconds.</summary>
    Cpu = 0,

    /// <summary><c>RLIMIT_FSIZE</c>: size of a file that is written, in bytes.</summary>
    Fsize = 1,

    /// <summary><c>RLIMIT_DATA</c>: data segment, in bytes.</summary>
    Data = 2,

    /// <summary><c>RLIMIT_STACK</c>: stack of the main thread, in bytes.</summary>
    Stack = 3,

    /// <summary><c>RLIMIT_CORE</c>: size of a core file, in bytes.</summary>
    Core = 4,

    /// <summary><c>RLIMIT_RSS</c>: resident set, in bytes; without effect since Linux 2.4.30.</summary>
    Rss = 5,

    /// <summary><c>RLIMIT_NPROC</c>: processes of the real user id.</summary>
    Nproc = 6,

    /// <summary><c>RLIMIT_NOFILE</c>: one more than the largest file descriptor.</summary>
    Nofile = 7,

    /// <summary><c>RLIMIT_MEMLOCK</c>: locked memory, in bytes.</summary>
    Memlock = 8,

    /// <summary><c>RLIMIT_AS</c>: address space, in bytes.</summary>
    As = 9,

    /// <summary><c>RLIMIT_LOCKS</c>: file locks; without effect since Linux 2.4.25.</summary>
    Locks = 10,

    /// <summary><c>RLIMIT_SIGPENDING</c>: queued signals of the real user id.</summary>
    Sigpending = 11,

    /// <summary><c>RLIMIT_MSGQUEUE</c>: bytes in POSIX message queues of the real user id.</summary>
    Msgqueue = 12,

    /// <summary><c>RLIMIT_NICE</c>: 20 minus the lowest nice value.</summary>
    Nice = 13,

    /// <summary><c>RLIMIT_RTPRIO</c>: the highest real-time priority.</summary>
    Rtprio = 14,

    /// <summary><c>RLIMIT_RTTIME</c>: CPU time of a real-time task without a blocking call, in microseconds.</summary>
    Rttime = 15,
}
