using System.Diagnostics;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Cgroups;

/// <summary>Statistics of a control group. Its files are kept open, and <see cref="Refresh"/> reads them anew:
/// one pread(2) each, and no allocation.</summary>
/// <remarks>The values are those of the last refresh. What the host does not have stays null. Not for several threads at once.</remarks>
/// <example><code>
/// using CgroupStats stats = cgroup.OpenStats();
/// stats.Refresh(); // reads the files that are open already
/// Console.WriteLine($"{stats.Cpu?.Usage}, {stats.Memory?.Peak} bytes");
/// </code></example>
public sealed class CgroupStats : IDisposable
{
    /// <summary>Takes what was read from a file.</summary>
    internal delegate void Parser(CgroupStats stats, ReadOnlySpan<byte> text);

    private readonly List<(LinuxHandle File, string Subject, Parser Parse)> _files = [];
    private readonly List<string> _paths = [];
    private (LinuxHandle File, string Subject)? _peak;
    private byte[] _buffer = new byte[8192];

    internal CgroupStats()
    {
    }

    /// <summary>When the values were read, as <see cref="Stopwatch.GetTimestamp"/> tells it.</summary>
    public long Timestamp { get; private set; }

    /// <summary>CPU time and throttling.</summary>
    public CpuStats? Cpu { get; internal set; }

    /// <summary>Memory.</summary>
    public MemoryStats? Memory { get; internal set; }

    /// <summary>Processes and threads.</summary>
    public PidsStats? Pids { get; internal set; }

    /// <summary>Block I/O.</summary>
    public IoStats? Io { get; internal set; }

    /// <summary>Huge pages: <c>2MB.current</c>, <c>2MB.rsvd.current</c>, <c>2MB.events.max</c> and so on.</summary>
    public KeyedValues? Hugetlb { get; internal set; }

    /// <summary><c>rdma.current</c>: by device.</summary>
    public NestedValues? Rdma { get; internal set; }

    /// <summary><c>misc.current</c>.</summary>
    public KeyedValues? Misc { get; internal set; }

    /// <summary><c>dmem.current</c>.</summary>
    public KeyedValues? Dmem { get; internal set; }

    /// <summary>Pressure on the CPU.</summary>
    public Pressure? CpuPressure { get; internal set; }

    /// <summary>Pressure on memory.</summary>
    public Pressure? MemoryPressure { get; internal set; }

    /// <summary>Pressure on I/O.</summary>
    public Pressure? IoPressure { get; internal set; }

    /// <summary>Pressure by interrupts. Since Linux 6.1, where the kernel accounts for them.</summary>
    public Pressure? IrqPressure { get; internal set; }

    /// <summary><c>cgroup.stat</c>.</summary>
    public KeyedValues? Cgroup { get; internal set; }

    /// <summary>Reads everything anew.</summary>
    /// <exception cref="LinuxException"><c>ENODEV</c>: the control group was deleted.</exception>
    /// <exception cref="FormatException">The kernel wrote what is not understood; every other file was read.</exception>
    public void Refresh()
    {
        if (TryRefresh() is { } strange)
            throw strange;
    }

    /// <summary>Reads everything anew, and tells what was not understood.</summary>
    internal FormatException? TryRefresh()
    {
        FormatException? strange = null;
        foreach ((LinuxHandle file, string subject, Parser parse) in _files)
        {
            try
            {
                parse(this, Read(file, subject));
            }
            catch (FormatException e)
            {
                strange ??= new FormatException($"{subject}: {e.Message}", e);
            }
        }

        Timestamp = Stopwatch.GetTimestamp();
        return strange;
    }

    /// <summary>Begins a new peak of memory: <see cref="MemoryStats.Peak"/> is from now on the most
    /// that was in use since this call.</summary>
    /// <remarks>On version 2 writes to the open <c>memory.peak</c>, which counts for each open file by itself (Linux 6.12): other readers
    /// keep theirs. On version 1 writes 0 to <c>memory.max_usage_in_bytes</c>, for every reader.</remarks>
    /// <exception cref="LinuxException"><c>EBADF</c> or <c>EINVAL</c>: the kernel cannot reset it,
    /// or this user may not write it.</exception>
    /// <exception cref="InvalidOperationException">Memory is not among what is read, or the kernel has no peak.</exception>
    public void ResetMemoryPeak()
    {
        if (_peak is not var (file, subject))
            throw new InvalidOperationException(
                "There is no peak of memory to reset: memory was not asked for, or the kernel has no memory.peak (Linux 5.19).");
        SyscallResult written = FileSyscalls.Write(file, "0"u8);
        written.ThrowIfError("reset", subject, "write(2)",
            written.Errno is Errno.EBADF or Errno.EINVAL ? "It can be reset since Linux 6.12, by who may write it." : null);
    }

    /// <summary>Closes the files; the values stay.</summary>
    public void Dispose()
    {
        foreach ((LinuxHandle file, _, _) in _files)
            file.Dispose();
    }

    /// <summary>The paths of what is read, for a comparison that reads the same.</summary>
    internal IEnumerable<string> Files() => _paths;

    /// <summary>Adds a file, where the control group has it.</summary>
    internal bool Add(CgroupDirectory? directory, string file, Parser parse, uint flags = Fcntl.O_RDONLY)
    {
        if (directory is null)
            return false;
        SyscallResult opened = directory.TryOpenFile(file, flags);
        if (opened.IsError)
            return false;
        _paths.Add(directory.MountPoint + directory.Path + "/" + file);
        _files.Add((new LinuxHandle((int)opened.Value), directory.Name(file), parse));
        return true;
    }

    /// <summary>Adds the file of the memory peak, open for writing where that is allowed: the writing resets it.</summary>
    internal void AddPeak(CgroupDirectory directory, string file, Parser parse)
    {
        if (!Add(directory, file, parse, Fcntl.O_RDWR) && !Add(directory, file, parse))
            return;
        _peak = (_files[^1].File, _files[^1].Subject);
    }

    private ReadOnlySpan<byte> Read(LinuxHandle file, string subject)
    {
        int length = 0;
        while (true)
        {
            SyscallResult part = FileSyscalls.ReadAtStart(file, _buffer.AsSpan(length), length);
            // PSI switched off at boot or for the control group: as if the file were empty.
            if (part.Errno == Errno.EOPNOTSUPP)
                return [];
            if (part.IsError)
                part.ThrowIfError("read", subject, "pread64(2)", CgroupHints.ForFile("", part.Errno));
            length += (int)part.Value;
            // kernfs gives all of such a file at once, where there is room for it.
            if (length < _buffer.Length)
                return _buffer.AsSpan(0, length);
            Array.Resize(ref _buffer, length * 2);
        }
    }
}
