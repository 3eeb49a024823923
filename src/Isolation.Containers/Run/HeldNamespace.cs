using System.Diagnostics;
using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>The namespace by which a container's processes are told from all others, where neither a PID namespace nor a control group is
/// its own: its user namespace, which nothing in it can leave, or its mount namespace.</summary>
/// <remarks>The container's first process handed the descriptor over before its program began. While it is open, the kernel gives the
/// number to no other namespace; what is compared is device and inode. See namespaces(7), ioctl_nsfs(2).</remarks>
internal sealed class HeldNamespace : IDisposable
{
    private const uint NS_GET_PARENT = 0xb702;
    private const int MaxNesting = 33, MaxPassesWithoutAnyone = 8;

    private static readonly TimeSpan s_stopping = TimeSpan.FromSeconds(15), s_killing = TimeSpan.FromSeconds(15);

    /// <summary>So long a pass looks for who is made meanwhile.</summary>
    private static readonly TimeSpan s_chase = TimeSpan.FromMilliseconds(20);

    private readonly Namespace _namespace;
    private readonly string _link;

    private HeldNamespace(Namespace held)
    {
        _namespace = held;
        _link = "ns/" + held.Kind.FileName();
    }

    /// <summary>Takes it from the socket by which the child has sent it.</summary>
    /// <exception cref="LinuxException">Nothing came.</exception>
    internal static HeldNamespace Receive(LinuxHandle socket)
    {
        using LinuxHandle end = socket;
        SyscallResult result = SocketSyscalls.ReceiveDescriptor(end);
        result.ThrowIfError("receive", "the namespace of the container's processes", "recvmsg(2)");
        var held = new HeldNamespace(Namespace.FromHandle(new LinuxHandle((int)result.Value), "of the container's processes"));
        using Namespace own = Namespace.OpenCurrent(held._namespace.Kind);
        if (!held._namespace.Equals(own))
            return held;
        held.Dispose();
        throw new InvalidOperationException($"The {own.Kind.FileName()} namespace of the container is this process's.");
    }

    /// <summary>Kills every process in it, and in user namespaces below it, and waits until all have ended;
    /// at most 30 s, for those in uninterruptible calls.</summary>
    internal void KillAll()
    {
        // Stopped first: who is stopped forks no more, and keeps the place that its user's process limit would give to another.
        if (Sweep(Signal.SIGSTOP, s_stopping))
            Sweep(Signal.SIGKILL, s_killing);
    }

    public void Dispose() => _namespace.Dispose();

    /// <summary>Signals whoever is found, pass after pass, until one finds nobody who has not obeyed.</summary>
    /// <returns>Whether anybody was found that had not ended.</returns>
    private bool Sweep(Signal signal, TimeSpan timeout)
    {
        bool any = false;
        long begin = Stopwatch.GetTimestamp();
        for (int quiet = 0; quiet < MaxPassesWithoutAnyone && Stopwatch.GetElapsedTime(begin) < timeout;)
        {
            var pass = new Pass();
            int? newest = ReadNewest();
            foreach (string directory in Directory.EnumerateDirectories("/proc"))
            {
                if (int.TryParse(Path.GetFileName(directory), NumberStyles.None, CultureInfo.InvariantCulture, out int id))
                    pass.Count(Send(id, signal));
            }

            Chase(newest, signal, pass);
            any |= pass.HasFound || pass.HasStopped;
            if (!pass.HasFound && !pass.HasVanished)
                break;
            quiet = pass.HasFound ? 0 : quiet + 1;
            Thread.Yield();
        }

        return any;
    }

    /// <summary>Signals those who were made since the list was read, as long as there are any. Of a chain of processes, each of which makes
    /// the next and ends, every member that is listed has ended when it is opened.</summary>
    private void Chase(int? newest, Signal signal, Pass pass)
    {
        long begin = Stopwatch.GetTimestamp();
        while (newest is { } last && Stopwatch.GetElapsedTime(begin) < s_chase)
        {
            int? now = ReadNewest();
            if (now == last)
            {
                // Nobody new, or nobody yet.
                if (!pass.HasVanished)
                    return;
                continue;
            }

            // The numbers begin anew after the highest one.
            for (int? id = now > last ? last + 1 : now; id <= now; id++)
                pass.Count(Send(id.Value, signal));
            newest = now;
        }
    }

    /// <summary>The number that was given last, from proc_loadavg(5); null where it cannot be read.</summary>
    private static int? ReadNewest()
    {
        SyscallResult opened = FileSyscalls.OpenAt(null, "/proc/loadavg", Fcntl.O_RDONLY);
        if (opened.IsError)
            return null;
        using var file = new LinuxHandle((int)opened.Value);
        Span<byte> text = stackalloc byte[128];
        SyscallResult read = FileSyscalls.Read(file, text);
        text = read.IsError ? [] : text[..(int)read.Value].TrimEnd((byte)'\n');
        return int.TryParse(text[(text.LastIndexOf((byte)' ') + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out int id)
            ? id
            : null;
    }

    /// <summary>What one look at all processes has met.</summary>
    private sealed class Pass
    {
        internal bool HasFound { get; private set; }

        internal bool HasStopped { get; private set; }

        /// <summary>Whether somebody has ended meanwhile: maybe one of those looked for, who has left a child.</summary>
        internal bool HasVanished { get; private set; }

        internal void Count(Outcome outcome)
        {
            HasFound |= outcome == Outcome.Signalled;
            HasStopped |= outcome == Outcome.Stopped;
            HasVanished |= outcome == Outcome.Vanished;
        }
    }

    private enum Outcome
    {
        Another,
        Stopped,
        Signalled,
        Vanished,
    }

    private Outcome Send(int id, Signal signal)
    {
        if (id == Environment.ProcessId)
            return Outcome.Another;
        // The process is held first and looked at then: the number is its own as long as it lives,
        // and once it has ended no signal reaches anybody.
        using PidHandle? process = PidHandle.TryOpen(id);
        if (process is null)
            return Outcome.Vanished;
        if (!Holds(id))
            return process.HasExited ? Outcome.Vanished : Outcome.Another;
        if (process.HasExited)
            return Outcome.Another;
        if (signal == Signal.SIGSTOP && IsStopped(id))
            return Outcome.Stopped;
        process.TrySendSignal(signal);
        return Outcome.Signalled;
    }

    private bool Holds(int id)
    {
        SyscallResult opened = FileSyscalls.OpenAt(null,
            string.Create(CultureInfo.InvariantCulture, $"/proc/{id}/{_link}"), Fcntl.O_RDONLY);
        if (opened.IsError)
            return false;
        var current = new LinuxHandle((int)opened.Value);
        for (int level = 0; ; level++)
        {
            using LinuxHandle file = current;
            if (FileSyscalls.Stat(file, out FileIdentity identity).IsError)
                return false;
            if (_namespace.Is(identity))
                return true;
            if (_namespace.Kind != NamespaceKinds.User || level == MaxNesting)
                return false;
            // EPERM: the next one up is beyond this process's own.
            SyscallResult parent = FileSyscalls.Ioctl(file, NS_GET_PARENT, 0);
            if (parent.IsError)
                return false;
            current = new LinuxHandle((int)parent.Value);
        }
    }

    /// <summary>Whether a process is stopped or ended: the field behind the name in proc_pid_stat(5).</summary>
    private static bool IsStopped(int id)
    {
        SyscallResult opened = FileSyscalls.OpenAt(null, string.Create(CultureInfo.InvariantCulture, $"/proc/{id}/stat"), Fcntl.O_RDONLY);
        if (opened.IsError)
            return true; // it has ended
        using var file = new LinuxHandle((int)opened.Value);
        Span<byte> stat = stackalloc byte[128];
        SyscallResult read = FileSyscalls.Read(file, stat);
        int name = read.IsError ? -1 : stat[..(int)read.Value].LastIndexOf((byte)')');
        return name < 0 || stat[name + 2] is (byte)'T' or (byte)'t' or (byte)'Z' or (byte)'X';
    }
}
