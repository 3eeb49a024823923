namespace Isolation.Linux.Syscalls;

/// <summary>Extended attributes of files: xattr(7).</summary>
internal static unsafe class ExtendedAttributeSyscalls
{
    internal static SyscallResult Get(string path, string name, Span<byte> value)
    {
        fixed (byte* file = new CString(path).Bytes, attribute = new CString(name).Bytes, buffer = value)
            return RawSyscall.Invoke(Syscall.getxattr, (nuint)file, (nuint)attribute, (nuint)buffer, (nuint)value.Length);
    }

    /// <summary>Of an open file.</summary>
    internal static SyscallResult Get(LinuxHandle file, string name, Span<byte> value)
    {
        fixed (byte* attribute = new CString(name).Bytes, buffer = value)
            return RawSyscall.Invoke(Syscall.fgetxattr, file, (nuint)attribute, (nuint)buffer, (nuint)value.Length);
    }

    /// <summary>Of an open file.</summary>
    internal static SyscallResult Set(LinuxHandle file, string name, ReadOnlySpan<byte> value)
    {
        fixed (byte* attribute = new CString(name).Bytes, buffer = value)
            return RawSyscall.Invoke(Syscall.fsetxattr, file, (nuint)attribute, (nuint)buffer, (nuint)value.Length, 0);
    }

    internal static SyscallResult Set(string path, string name, ReadOnlySpan<byte> value)
    {
        fixed (byte* file = new CString(path).Bytes, attribute = new CString(name).Bytes, buffer = value)
            return RawSyscall.Invoke(Syscall.setxattr, (nuint)file, (nuint)attribute, (nuint)buffer, (nuint)value.Length, 0);
    }

    internal static SyscallResult Remove(string path, string name)
    {
        fixed (byte* file = new CString(path).Bytes, attribute = new CString(name).Bytes)
            return RawSyscall.Invoke(Syscall.removexattr, (nuint)file, (nuint)attribute);
    }
}
