using Isolation.Linux;

namespace Isolation.Net.Netlink;

/// <summary>The kernel refused a netlink request, or its reply could not be read.
/// Has the kernel's message where there was one.</summary>
/// <remarks>A malformed reply is <see cref="Errno.EBADMSG"/>, one that never came <see cref="Errno.ETIMEDOUT"/>.</remarks>
public sealed class NetlinkException : LinuxException
{
    internal NetlinkException(string action, string subject, string call, Errno errno, ExtendedAck ack = default, string? remedy = null)
        : base(action, subject, call, errno, remedy: Compose(ack, remedy))
    {
        KernelMessage = ack.Message;
        AttributePath = ack.AttributePath;
        Offset = ack.Offset;
    }

    /// <summary>The same error, told of what the caller asked for.</summary>
    internal NetlinkException(string action, string subject, NetlinkException error)
        : base(action, subject, error.Call, error.Errno, remedy: error.Remedy)
    {
        KernelMessage = error.KernelMessage;
        AttributePath = error.AttributePath;
        Offset = error.Offset;
    }

    /// <summary>What the kernel said, in its own words; null where it said nothing.</summary>
    public string? KernelMessage { get; }

    /// <summary>The attribute that the kernel points at, or misses, from the outermost in:
    /// <c>IFLA_LINKINFO.IFLA_INFO_KIND</c>; null where it names none.</summary>
    public string? AttributePath { get; }

    /// <summary>Where in the request that attribute stands, in bytes from the message's header;
    /// null where the kernel does not tell.</summary>
    public int? Offset { get; }

    internal static NetlinkException Malformed(string what) => new("read", "a netlink message", "recvmsg(2)", Errno.EBADMSG, remedy: what);

    private static string? Compose(ExtendedAck ack, string? remedy)
    {
        string? kernel = ack.Message is { } message
                ? $"The kernel says: {message.TrimEnd('.')}{(ack.AttributePath is { } path ? $" ({path})" : "")}."
            : ack.AttributePath is { } alone ? $"The kernel points at {alone}." : null;
        return kernel is null ? remedy : remedy is null ? kernel : $"{kernel} {remedy}";
    }
}
