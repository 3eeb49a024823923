namespace Isolation.Linux;

public static partial class ErrnoText
{
    /// <summary>Returns the kernel's name of an error number: <c>EPERM</c>, <c>errno 4095</c> for one it does not know, <c>no error</c> for
    /// 0.</summary>
    public static string Name(this Errno errno) => errno == Errno.None ? "no error" : Enum.IsDefined(errno) ? errno.ToString()
        : $"errno {(int)errno}";

    /// <summary>Whether an error says that something is short for the moment, and nothing of what was asked for.</summary>
    internal static bool IsPassing(this Errno errno) =>
        errno is Errno.EMFILE or Errno.ENFILE or Errno.ENOMEM or Errno.EAGAIN or Errno.EINTR or Errno.ENOBUFS;

    /// <summary>Returns the meaning of an error number in a few words, such as <c>operation not permitted</c>.</summary>
    public static string Meaning(this Errno errno) => Lookup(errno) ?? "unknown error";
}
