using System.Collections.Immutable;
using System.Diagnostics;
using Isolation.Linux;
using Isolation.Linux.Syscalls;

namespace Isolation.Cgroups;

/// <summary>A control group of this host, whichever version its controllers are mounted in. Held open;
/// disposing closes it and leaves it there.</summary>
/// <remarks>Takes settings in version 2's words; on version 1 and hybrid hosts each is written where its controller is mounted.
/// Paths that begin with a slash start at the hierarchy's root as this process sees it;
/// others at this process's own control group.</remarks>
/// <example><code>
/// using Cgroup jobs = Cgroup.Create("/jobs/17").WithMemoryMax(ByteSize.FromMebibytes(64)).WithCpus(0.5);
/// jobs.AddProcess(processId);
/// </code></example>
public abstract partial class Cgroup : ICgroupControls<Cgroup>, IDisposable
{
    private protected Cgroup(string path) => Path = path;

    /// <summary>The path from the hierarchy's root as this process sees it.</summary>
    public string Path { get; }

    /// <summary>Creates a control group, with those above it where they are missing, or opens it where it is there.</summary>
    /// <param name="path">The path; see the remarks of the type.</param>
    /// <exception cref="LinuxException"><c>EACCES</c>: not delegated. <c>EROFS</c>: mounted read-only.
    /// <c>EAGAIN</c>: a limit of depth or count.</exception>
    /// <exception cref="KernelFeatureException">No control groups are mounted.</exception>
    public static Cgroup Create(string path) => CgroupHierarchies.Read() switch
    {
        { Mode: CgroupMode.Unified } => CgroupV2.Create(path),
        { Mode: CgroupMode.Hybrid or CgroupMode.Legacy } => CgroupV1.Create(path),
        _ => throw NotMounted(),
    };

    /// <summary>Opens a control group.</summary>
    /// <param name="path">The path; see the remarks of the type.</param>
    /// <exception cref="LinuxException"><c>ENOENT</c>: there is none.</exception>
    /// <exception cref="KernelFeatureException">No control groups are mounted.</exception>
    public static Cgroup Open(string path) => CgroupHierarchies.Read() switch
    {
        { Mode: CgroupMode.Unified } => CgroupV2.Open(path),
        { Mode: CgroupMode.Hybrid or CgroupMode.Legacy } => CgroupV1.Open(path),
        _ => throw NotMounted(),
    };

    /// <summary>Writes one setting at once.</summary>
    /// <exception cref="LinuxException">The kernel refused it.</exception>
    /// <exception cref="KernelFeatureException">This host's version of the controller cannot do it,
    /// or the controller is not there.</exception>
    public Cgroup With(CgroupSetting setting)
    {
        Apply(CgroupSettings.None.With(setting));
        return this;
    }

    /// <summary>Writes settings, in an order that the kernel takes.</summary>
    /// <inheritdoc cref="With" path="/exception"/>
    public abstract void Apply(CgroupSettings settings);

    /// <summary>Moves a process with all its threads here. Writes <c>cgroup.procs</c>.</summary>
    /// <param name="processId">The process's id; 0 for the caller.</param>
    /// <exception cref="LinuxException"><c>ESRCH</c>: no such process. <c>EBUSY</c>: controllers are enabled for children.
    /// <c>EACCES</c>: not delegated.</exception>
    public abstract void AddProcess(int processId);

    /// <summary>Moves one thread here: on version 2 within a threaded subtree,
    /// by <c>cgroup.threads</c>; on version 1 by <c>tasks</c>.</summary>
    /// <exception cref="LinuxException"><c>EOPNOTSUPP</c>: not threaded. <c>ESRCH</c>: no such thread.</exception>
    public abstract void AddThread(int threadId);

    /// <summary>The ids of the processes in it, as seen from this process's PID namespace; 0 for one outside that.</summary>
    /// <param name="recursive">Whether those below count too.</param>
    public ImmutableArray<int> ReadProcesses(bool recursive = false) => [.. ReadProcesses(Main, recursive).Distinct().Order()];

    /// <summary>The names of the control groups directly below.</summary>
    public ImmutableArray<string> ReadChildNames() => [.. Main.ChildNames().Order(StringComparer.Ordinal)];

    /// <summary>The text of an interface file; null where this control group has none of that name.</summary>
    /// <param name="file">The name, as its hierarchy has it: <c>memory.stat</c>.</param>
    public abstract string? Read(string file);

    /// <summary>Removes the control group, and those below it.
    /// Waits a little for processes that were killed and are on their way out.</summary>
    /// <param name="recursive">Whether those below are removed too.</param>
    /// <exception cref="LinuxException"><c>EBUSY</c>: processes are in it.</exception>
    public void Delete(bool recursive = true)
    {
        if (TryDelete(recursive) is var errno and not Errno.None)
            throw new LinuxException("delete", $"cgroup \"{Path}\"", "rmdir(2)", errno, remedy: CgroupHints.ForDelete(errno));
    }

    /// <summary>Closes it; the control group stays.</summary>
    public void Dispose()
    {
        foreach (CgroupDirectory directory in Directories)
            directory.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc/>
    public override string ToString() => $"cgroup \"{Path}\"";

    /// <summary>Every hierarchy's directory of it.</summary>
    internal abstract IEnumerable<CgroupDirectory> Directories { get; }

    /// <summary>The directory whose members are the control group's: version 2's where there is one.</summary>
    internal abstract CgroupDirectory Main { get; }

    /// <summary>Version 2's directory, for the calls that only it has; null on a host without.</summary>
    internal abstract CgroupDirectory? Unified { get; }

    /// <summary>Directories that others may have made for it in hierarchies that it was made without.</summary>
    private protected virtual IEnumerable<string> Elsewhere => [];

    /// <param name="recursive">Whether those below are removed too.</param>
    /// <param name="killed">Whether its members have been killed: they are waited for, up to five seconds;
    /// else living ones are told at once.</param>
    internal Errno TryDelete(bool recursive, bool killed = false)
    {
        long start = Stopwatch.GetTimestamp();
        for (int attempt = 0; ; attempt++)
        {
            Errno last = Errno.None;
            foreach (CgroupDirectory directory in Directories)
            {
                if (directory.TryDelete(recursive) is var errno and not Errno.None)
                    last = errno;
            }

            foreach (string directory in Elsewhere)
            {
                if (FileSyscalls.RmdirAt(null, directory).Errno is var errno and not (Errno.None or Errno.ENOENT))
                    last = errno;
            }

            // A process that is a zombie no more may still be counted for a moment, and one that was killed ends when it gets to run.
            if (!CgroupDirectory.MayBeRemovedLater(last)
                || (killed ? Stopwatch.GetElapsedTime(start) > s_patience : attempt == 50 || ReadProcesses(recursive: true).Any(IsAlive)))
                return last;
            Thread.Sleep(Math.Min(attempt, 20));
        }
    }

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    private static bool IsAlive(int processId)
    {
        if (processId == 0)
            return true;
        using PidHandle? process = PidHandle.TryOpen(processId);
        return process is { HasExited: false };
    }

    private protected static IEnumerable<int> ReadProcesses(CgroupDirectory directory, bool recursive)
    {
        foreach (int id in TryReadIds(directory))
            yield return id;
        if (!recursive)
            yield break;
        foreach (CgroupDirectory child in directory.Children())
        {
            using (child)
            {
                foreach (int id in ReadProcesses(child, recursive: true))
                    yield return id;
            }
        }
    }

    // A threaded control group does not list processes (EOPNOTSUPP): its domain does. One that was deleted meanwhile (ENODEV) has none.
    private static List<int> TryReadIds(CgroupDirectory directory)
    {
        try
        {
            return directory.ReadIds("cgroup.procs");
        }
        catch (LinuxException e) when (e.Errno is Errno.EOPNOTSUPP or Errno.ENODEV or Errno.ENOENT or Errno.EMFILE or Errno.ENFILE)
        {
            return [];
        }
    }

    private protected static KernelFeatureException NotMounted() =>
        new("control groups", "none are mounted in this process's view", "Mount cgroup2 on /sys/fs/cgroup.");
}
