using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;
using Microsoft.Win32.SafeHandles;

namespace Isolation.Net.Routing;

/// <summary>A link whose other end is a file: tun carries IP packets, tap Ethernet frames. <c>ip tuntap add</c>.</summary>
/// <remarks>See the kernel's tuntap guide. Without <see cref="Persistent"/> the link is gone when the device is disposed.</remarks>
/// <example><code>
/// using TunDevice tun = TunDevice.Create("tun0");
/// using var packets = new FileStream(tun.File, FileAccess.ReadWrite, bufferSize: 0);
/// byte[] packet = new byte[1500];
/// int length = packets.Read(packet);
/// </code></example>
public sealed class TunDevice : IDisposable
{
    private const string Path = "/dev/net/tun";

    private TunDevice(string name, SafeFileHandle file) => (Name, File) = (name, file);

    /// <summary>The link's name.</summary>
    public string Name { get; }

    /// <summary>The other end: each read takes one packet that was sent on the link, each write puts one in.</summary>
    public SafeFileHandle File { get; }

    /// <summary>Whether the link stays when the device is disposed.</summary>
    public bool Persistent
    {
        get;
        set
        {
            TunSyscalls.Ioctl(File, IfTun.TUNSETPERSIST, value ? 1u : 0)
                .ThrowIfError("make persistent", $"\"{Name}\"", "ioctl(2) TUNSETPERSIST");
            field = value;
        }
    }

    /// <summary>Makes the link, or opens a persistent one that this user owns.</summary>
    /// <param name="name">Its name; a <c>%d</c> in it becomes a free number.</param>
    /// <param name="tap">Whether it carries Ethernet frames.</param>
    /// <param name="owner">A user who may open it later without privileges; null for nobody.</param>
    /// <param name="networkNamespace">The network namespace:
    /// a descriptor of it, or a pidfd of a process in it; null for the caller's.</param>
    /// <exception cref="LinuxException"><c>EPERM</c>: no <c>CAP_NET_ADMIN</c>. <c>EBUSY</c>: somebody has it open.
    /// <c>ENOENT</c>: there is no /dev/net/tun.</exception>
    public static TunDevice Create(string name, bool tap = false, uint? owner = null, LinuxHandle? networkNamespace = null)
    {
        LinkNames.Check(name);
        return NetworkNamespace.Run(networkNamespace, () =>
        {
            SyscallResult opened = FileSyscalls.OpenAt(null, Path, Fcntl.O_RDWR | Fcntl.O_CLOEXEC);
            opened.ThrowIfError("open", $"\"{Path}\"", "openat(2)",
                opened.Errno == Errno.ENOENT ? "Load the module tun, and have the device in /dev." : null);
            var file = new SafeFileHandle((nint)opened.Value, ownsHandle: true);
            try
            {
                (SyscallResult set, string given) = TunSyscalls.SetInterface(file, name,
                    (ushort)((tap ? IfTun.IFF_TAP : IfTun.IFF_TUN) | IfTun.IFF_NO_PI));
                set.ThrowIfError($"make {(tap ? "tap" : "tun")} device", $"\"{name}\"", "ioctl(2) TUNSETIFF", set.Errno switch
                {
                    Errno.EPERM => "It needs CAP_NET_ADMIN, or a persistent device that this user owns.",
                    Errno.EBUSY => "Somebody has it open.",
                    Errno.EINVAL => "A link with that name is there, of another kind.",
                    _ => null,
                });
                if (owner is { } user)
                    TunSyscalls.Ioctl(file, IfTun.TUNSETOWNER, user)
                        .ThrowIfError("set the owner of", $"\"{given}\"", "ioctl(2) TUNSETOWNER");
                return new TunDevice(given, file);
            }
            catch
            {
                file.Dispose();
                throw;
            }
        });
    }

    /// <summary>Closes the device; the link is gone unless it is persistent.</summary>
    public void Dispose() => File.Dispose();
}
