using System.Globalization;
using System.Text;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Cgroups;

/// <summary>One directory of one hierarchy, held open: what is read and written is that control group's,
/// whatever is renamed meanwhile.</summary>
internal sealed class CgroupDirectory : IDisposable
{
    private const int LargestRead = 16 << 20;

    private CgroupDirectory(LinuxHandle handle, string mountPoint, string[] parts)
    {
        Handle = handle;
        MountPoint = mountPoint;
        Parts = parts;
        Path = CgroupPath.Join(parts);
    }

    internal LinuxHandle Handle { get; }

    internal string MountPoint { get; }

    internal string[] Parts { get; }

    /// <summary>From the hierarchy's root as this process sees it.</summary>
    internal string Path { get; }

    internal bool IsRoot => Parts.Length == 0;

    private static uint DirectoryFlag => Fcntl.O_DIRECTORY(System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture)
        | Fcntl.O_NOFOLLOW(System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture);

    /// <summary>Takes over an open directory.</summary>
    internal static CgroupDirectory Adopt(LinuxHandle handle, string mountPoint, string[] parts) => new(handle, mountPoint, parts);

    /// <summary>Opens a control group; null where it does not exist.</summary>
    internal static CgroupDirectory? TryOpen(string mountPoint, string[] parts) => Walk(mountPoint, parts, create: false);

    /// <summary>Opens a control group, making it and those above it where they are missing.</summary>
    internal static CgroupDirectory Create(string mountPoint, string[] parts) => Walk(mountPoint, parts, create: true)!;

    internal SyscallResult TryOpenFile(string file, uint flags) => FileSyscalls.OpenAt(Handle, file, flags);

    internal LinuxHandle OpenFile(string file, uint flags)
    {
        SyscallResult opened = TryOpenFile(file, flags);
        opened.ThrowIfError("open", Name(file), "openat(2)", CgroupHints.ForFile(file, opened.Errno));
        return new LinuxHandle((int)opened.Value);
    }

    internal bool Has(string file) => FileSyscalls.IsAccessible(Handle, file, 0);

    internal bool IsWritable(string file) => FileSyscalls.IsAccessible(Handle, file, 2);

    /// <summary>The whole text of a file; null where this control group has no such file.</summary>
    internal string? TryRead(string file)
    {
        SyscallResult opened = TryOpenFile(file, Fcntl.O_RDONLY);
        if (opened.Errno is Errno.ENOENT or Errno.ENODEV)
            return null;
        opened.ThrowIfError("read", Name(file), "openat(2)", CgroupHints.ForFile(file, opened.Errno));
        using var handle = new LinuxHandle((int)opened.Value);
        byte[] buffer = new byte[4096];
        int length = 0;
        while (true)
        {
            SyscallResult part = FileSyscalls.ReadAtStart(handle, buffer.AsSpan(length), length);
            part.ThrowIfError("read", Name(file), "pread64(2)", CgroupHints.ForFile(file, part.Errno));
            if (part.Value == 0)
                return Encoding.UTF8.GetString(buffer, 0, length);
            length += (int)part.Value;
            if (length == buffer.Length && length < LargestRead)
                Array.Resize(ref buffer, length * 2);
        }
    }

    internal string Read(string file) => TryRead(file) ?? throw Missing(file);

    /// <summary>Writes a setting. One write(2) each: what the kernel refuses, it refuses whole.</summary>
    internal void Write(CgroupSetting setting)
    {
        SyscallResult result = TryWrite(setting.File, setting.Value, out string call);
        if (result.IsError)
            throw new LinuxException($"set {setting.File} of cgroup \"{Path}\" to", $"\"{setting.Value}\"", call, result.Errno,
                remedy: CgroupHints.ForWrite(setting, result.Errno));
    }

    internal SyscallResult TryWrite(string file, string value, out string call)
    {
        call = "openat(2)";
        SyscallResult opened = TryOpenFile(file, Fcntl.O_WRONLY);
        if (opened.IsError)
            return opened;
        using var handle = new LinuxHandle((int)opened.Value);
        call = "write(2)";
        // An empty write reaches no file of the kernel's; a line does, and is an empty value.
        return FileSyscalls.Write(handle, Encoding.UTF8.GetBytes(value.Length == 0 ? "\n" : value));
    }

    /// <summary>The numbers in <c>cgroup.procs</c> or <c>cgroup.threads</c>; 0 stands for one outside the caller's PID namespace.</summary>
    internal List<int> ReadIds(string file)
    {
        var ids = new List<int>();
        foreach (string line in Read(file).Split('\n', StringSplitOptions.RemoveEmptyEntries))
            ids.Add(int.Parse(line, NumberStyles.None, CultureInfo.InvariantCulture));
        return ids;
    }

    internal string[] ChildNames()
    {
        using Borrow directory = new(Handle);
        return [.. Directory.EnumerateDirectories(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{directory.Number}"))
            .Select(d => System.IO.Path.GetFileName(d))];
    }

    /// <summary>The control groups directly below. Each is the caller's to close.</summary>
    internal IEnumerable<CgroupDirectory> Children()
    {
        string[] names;
        try
        {
            names = ChildNames();
        }
        catch (IOException)
        {
            yield break; // deleted meanwhile, or out of descriptors
        }

        foreach (string name in names)
        {
            SyscallResult opened = FileSyscalls.OpenAt(Handle, name, DirectoryFlag);
            if (!opened.IsError)
                yield return new CgroupDirectory(new LinuxHandle((int)opened.Value), MountPoint, [.. Parts, name]);
        }
    }

    /// <summary>Whether the removal of a directory may succeed when it is tried again: it is in use for the moment, or the kernel is short
    /// of something. Else it is gone, or may not be removed by this process.</summary>
    internal static bool MayBeRemovedLater(Errno errno) =>
        errno is not (Errno.None or Errno.ENOENT or Errno.ENODEV or Errno.EPERM or Errno.EACCES or Errno.EROFS or Errno.ENOTDIR);

    /// <summary>Removes it, with those below it where that is asked for, deepest first. A missing one is no error.</summary>
    internal Errno TryDelete(bool recursive)
    {
        // By its path, which needs no descriptor: a program that has run out of them can still clean
        // up. The hierarchy's files cannot be links.
        Errno errno = FileSyscalls.RmdirAt(null, MountPoint + Path).Errno;
        if (errno == Errno.EBUSY && recursive && TryDeleteChildren())
            errno = FileSyscalls.RmdirAt(null, MountPoint + Path).Errno;
        return errno is Errno.ENOENT or Errno.ENODEV ? Errno.None : errno;
    }

    /// <summary>Whether there were any below, and all could be removed.</summary>
    private bool TryDeleteChildren()
    {
        bool any = false;
        foreach (CgroupDirectory child in Children())
        {
            using (child)
            {
                any = true;
                if (child.TryDelete(recursive: true) != Errno.None)
                    return false;
            }
        }

        return any;
    }

    internal void ChangeOwner(string file, uint user, uint group)
    {
        SyscallResult result = FileSyscalls.ChownAt(Handle, file, user, group);
        if (result.Errno != Errno.ENOENT)
            result.ThrowIfError("delegate", Name(file), "fchownat(2)");
    }

    internal LinuxException Missing(string file) =>
        new("read", Name(file), "openat(2)", Errno.ENOENT, remedy: CgroupHints.ForFile(file, Errno.ENOENT));

    internal string Name(string file) => file.Length == 0 ? $"cgroup \"{Path}\"" : $"{file} of cgroup \"{Path}\"";

    public void Dispose() => Handle.Dispose();

    public override string ToString() => $"{MountPoint}:{Path}";

    private static CgroupDirectory? Walk(string mountPoint, string[] parts, bool create)
    {
        SyscallResult opened = FileSyscalls.OpenAt(null, mountPoint,
            Fcntl.O_DIRECTORY(System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture));
        opened.ThrowIfError("open", $"\"{mountPoint}\"", "openat(2)");
        LinuxHandle current = new((int)opened.Value);
        for (int i = 0; i < parts.Length; i++)
        {
            using LinuxHandle above = current;
            SyscallResult made = create ? FileSyscalls.MkdirAt(above, parts[i], 0b111_101_101) : default;
            if (made.IsError && made.Errno != Errno.EEXIST)
                throw new LinuxException("create", $"cgroup \"{CgroupPath.Join(parts[..(i + 1)])}\"", "mkdirat(2)", made.Errno,
                    remedy: CgroupHints.ForCreate(made.Errno));
            SyscallResult next = FileSyscalls.OpenAt(above, parts[i], DirectoryFlag);
            if (!create && next.Errno is Errno.ENOENT or Errno.ENODEV)
                return null;
            next.ThrowIfError("open", $"cgroup \"{CgroupPath.Join(parts[..(i + 1)])}\"", "openat(2)",
                next.Errno == Errno.ENOTDIR ? "The name is that of an interface file." : null);
            current = new((int)next.Value);
        }

        return new CgroupDirectory(current, mountPoint, parts);
    }
}
