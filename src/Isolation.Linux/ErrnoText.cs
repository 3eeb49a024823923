namespace Isolation.Linux;

public static partial class ErrnoText
{
    /// <summary>Returns the kernel's name of an error number: <c>EPERM</c>, or <c>errno 4095</c> for one it does not know.</summary>
    public static string Name(this Errno errno) => Enum.IsDefined(errno) ? errno.ToString() : $"errno {(int)errno}";

    /// <summary>Returns the meaning of an error number in a few words, such as <c>operation not permitted</c>.</summary>
    public static string Meaning(this Errno errno) => Lookup(errno) ?? "unknown error";
}
