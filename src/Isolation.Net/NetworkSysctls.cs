using Isolation.Linux;
using Isolation.Net.Routing;

namespace Isolation.Net;

/// <summary>Kernel settings of the network in one network namespace, and of its links: /proc/sys/net.
/// See the kernel's ip-sysctl guide.</summary>
/// <example><code>
/// var settings = new NetworkSysctls(inside);
/// settings.Write("net.ipv4.ip_forward", "1");
/// settings.WriteOfLink("eth0", "ipv6", "accept_ra", "0");
/// </code></example>
/// <param name="networkNamespace">The network namespace: a descriptor of it, or a pidfd of a process in it; null for the caller's.</param>
public sealed class NetworkSysctls(LinuxHandle? networkNamespace = null)
{
    /// <summary>Reads a setting.</summary>
    /// <param name="name">With dots: <c>net.ipv4.ip_forward</c>. An interface's name that has dots is written with slashes
    /// in their place, as in sysctl(8).</param>
    /// <exception cref="LinuxException"><c>ENOENT</c>: there is no such setting.</exception>
    public string Read(string name) =>
        NetworkNamespace.Run(networkNamespace, () => Access(name, "read setting", PathOf, path => File.ReadAllText(path).TrimEnd('\n')));

    /// <summary>Writes a setting. Scope: the network namespace.</summary>
    /// <exception cref="LinuxException"><c>ENOENT</c>: there is no such setting. <c>EACCES</c>: not allowed.
    /// <c>EINVAL</c>: not such a value.</exception>
    public void Write(string name, string value) =>
        NetworkNamespace.Run(networkNamespace, () => Access(name, $"set \"{value}\" as", PathOf, path => Put(path, value)));

    /// <summary>Reads a setting of a link: /proc/sys/net/FAMILY/conf/LINK/NAME.</summary>
    /// <param name="link">The link's name; <c>all</c> and <c>default</c> are the kernel's own.</param>
    /// <param name="family"><c>ipv4</c> or <c>ipv6</c>.</param>
    /// <param name="name">The setting: <c>forwarding</c>.</param>
    /// <exception cref="LinuxException"><c>ENOENT</c>: there is no such link or setting.</exception>
    public string ReadOfLink(string link, string family, string name) =>
        NetworkNamespace.Run(networkNamespace,
            () => Access(OfLink(link, family, name), "read setting", static path => path, path => File.ReadAllText(path).TrimEnd('\n')));

    /// <summary>Writes a setting of a link: /proc/sys/net/FAMILY/conf/LINK/NAME.</summary>
    /// <exception cref="LinuxException"><c>ENOENT</c>: there is no such link or setting. <c>EACCES</c>: not allowed.
    /// <c>EINVAL</c>: not such a value.</exception>
    public void WriteOfLink(string link, string family, string name, string value) =>
        NetworkNamespace.Run(networkNamespace,
            () => Access(OfLink(link, family, name), $"set \"{value}\" as", static path => path, path => Put(path, value)));

    private static string OfLink(string link, string family, string name)
    {
        LinkNames.Check(link);
        ArgumentNullException.ThrowIfNull(name);
        if (family is not ("ipv4" or "ipv6"))
            throw new ArgumentException($"\"{family}\" is neither ipv4 nor ipv6.", nameof(family));
        return name.Length > 0 && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_')
            ? $"/proc/sys/net/{family}/conf/{link}/{name}"
            : throw new ArgumentException($"\"{name}\" is not a setting's name.", nameof(name));
    }

    private static string PathOf(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        string path = string.Create(name.Length, name, static (text, source) =>
        {
            for (int i = 0; i < text.Length; i++)
                text[i] = source[i] switch { '.' => '/', '/' => '.', char c => c };
        });
        return path.StartsWith("net/", StringComparison.Ordinal) && !path.Split('/').Any(part => part is "" or "." or "..")
            ? "/proc/sys/" + path
            : throw new ArgumentException($"\"{name}\" is not a network setting's name: it must begin with net.", nameof(name));
    }

    // Not File.WriteAllText: that would try to make what is not there.
    private static string Put(string path, string value)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        file.Write(System.Text.Encoding.UTF8.GetBytes(value));
        return value;
    }

    private static string Access(string name, string action, Func<string, string> pathOf, Func<string, string> access)
    {
        string path = pathOf(name);
        string subject = path.Replace("/proc/sys/", "", StringComparison.Ordinal);
        try
        {
            return access(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new LinuxException(action, subject, "openat(2)", Errno.ENOENT,
                remedy: "There is no such link or setting in that network namespace.");
        }
        catch (UnauthorizedAccessException)
        {
            throw new LinuxException(action, subject, "openat(2)", Errno.EACCES,
                remedy: "It needs root in the user namespace that owns the network, and /proc/sys to be writable.");
        }
        catch (IOException e)
        {
            throw new LinuxException(action, subject, "write(2)", Errno.EINVAL, remedy: e.Message);
        }
    }
}
