using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Text;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Containers;

/// <summary>Bridge networks and their leases as files, shared by all processes of this network namespace; held under a lock.</summary>
/// <remarks>Below /run/isolation/net-NUMBER, where the number is the network namespace's: a file for each network that is in use, one for each
/// lease, and the hosts files that containers see. A lease is believed only as long as its process is there.</remarks>
internal sealed class NetworkState : IDisposable
{
    private const string Definition = "network.json", LeaseSuffix = ".lease", HostsDirectory = "hosts", Temporary = ".new";
    private const uint LOCK_EX = 2, LOCK_UN = 8;

    private readonly string _root;
    private readonly LinuxHandle _lock;

    private NetworkState(string root, LinuxHandle held) => (_root, _lock) = (root, held);

    /// <summary>Takes the lock; waits for others that have it.</summary>
    /// <exception cref="LinuxException">The directory cannot be made, or written.</exception>
    internal static NetworkState Open()
    {
        string root = Path.Combine(NetworkDirectories.Runtime, "net-" + NamespaceNumber().ToString(CultureInfo.InvariantCulture));
        try
        {
            Directory.CreateDirectory(Path.Combine(root, HostsDirectory));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Failed("make", root, e);
        }

        string path = Path.Combine(root, "lock");
        SyscallResult opened = FileSyscalls.OpenAt(null, path, Fcntl.O_RDWR | Fcntl.O_CREAT, 0b110_000_000);
        opened.ThrowIfError("open", $"\"{path}\"", "openat(2)");
        var file = new LinuxHandle((int)opened.Value);
        RawSyscall.InvokeRestarting(Syscall.flock, RawSyscall.Word(file), LOCK_EX).ThrowIfError("lock", $"\"{path}\"", "flock(2)");
        return new NetworkState(root, file);
    }

    /// <summary>Lets the lock go.</summary>
    public void Dispose()
    {
        // Not by closing alone: a child that another thread has just made has a copy of the descriptor until it executes its program, and may wait for this very lock until then.
        RawSyscall.Invoke(Syscall.flock, RawSyscall.Word(_lock), LOCK_UN);
        _lock.Dispose();
    }

    /// <summary>The networks that are in use.</summary>
    internal IEnumerable<BridgeNetwork> ReadNetworks()
    {
        foreach (string directory in Directory.EnumerateDirectories(_root).Order(StringComparer.Ordinal))
        {
            string path = Path.Combine(directory, Definition);
            if (Path.GetFileName(directory) != HostsDirectory && File.Exists(path))
                yield return NetworkJson.ReadNetwork(File.ReadAllText(path), path);
        }
    }

    internal BridgeNetwork? FindNetwork(string name)
    {
        string path = Path.Combine(_root, name, Definition);
        return File.Exists(path) ? NetworkJson.ReadNetwork(File.ReadAllText(path), path) : null;
    }

    internal void WriteNetwork(BridgeNetwork network)
    {
        Directory.CreateDirectory(Path.Combine(_root, network.Name));
        Replace(Path.Combine(_root, network.Name, Definition), NetworkJson.Write(network));
    }

    internal void DeleteNetwork(string name) => Directory.Delete(Path.Combine(_root, name), recursive: true);

    internal ImmutableArray<NetworkLease> ReadLeases(string network)
    {
        string directory = Path.Combine(_root, network);
        return !Directory.Exists(directory) ? [] : [.. Directory.EnumerateFiles(directory, "*" + LeaseSuffix).Select(p => NetworkJson.ReadLease(File.ReadAllText(p), p)).OrderBy(l => l.Index)];
    }

    internal void WriteLease(NetworkLease lease) => Replace(LeasePath(lease), NetworkJson.Write(lease));

    internal void DeleteLease(NetworkLease lease)
    {
        File.Delete(LeasePath(lease));
        File.Delete(HostsPath(lease));
    }

    /// <summary>Whether the lease is still this one: another process may have given its number away when this one was thought dead.</summary>
    internal bool Holds(NetworkLease lease) => File.Exists(LeasePath(lease)) && NetworkJson.ReadLease(File.ReadAllText(LeasePath(lease)), LeasePath(lease)).Id == lease.Id;

    internal string HostsPath(NetworkLease lease) => Path.Combine(_root, HostsDirectory, lease.Id);

    /// <summary>Writes the hosts files of all containers of a network: each knows all.</summary>
    internal void WriteHosts(string network)
    {
        ImmutableArray<NetworkLease> leases = ReadLeases(network);
        foreach (NetworkLease lease in leases)
        {
            var text = new StringBuilder(lease.HostsHead);
            foreach (NetworkLease other in leases.Where(l => l.Id != lease.Id && !l.Names.IsEmpty))
            {
                text.Append(CultureInfo.InvariantCulture, $"{other.Address} {string.Join(' ', other.Names)}\n");
                if (other.AddressV6 is { } v6)
                    text.Append(CultureInfo.InvariantCulture, $"{v6} {string.Join(' ', other.Names)}\n");
            }

            WriteInPlace(HostsPath(lease), Encoding.UTF8.GetBytes(text.ToString()));
        }
    }

    /// <summary>Takes away from a network what belonged to processes that are gone, and returns it.</summary>
    internal List<NetworkLease> DropDead(string network, Action<NetworkLease> drop)
    {
        List<NetworkLease> dead = [.. ReadLeases(network).Where(l => !l.IsAlive)];
        foreach (NetworkLease lease in dead)
        {
            drop(lease);
            DeleteLease(lease);
        }

        return dead;
    }

    /// <summary>Removes files that processes which were killed between two of them have left.</summary>
    internal void DropStray()
    {
        var ids = new HashSet<string>();
        foreach (string directory in Directory.EnumerateDirectories(_root).Where(d => Path.GetFileName(d) != HostsDirectory))
        {
            if (!File.Exists(Path.Combine(directory, Definition)))
            {
                Directory.Delete(directory, recursive: true);
                continue;
            }

            foreach (string temporary in Directory.EnumerateFiles(directory, "*" + Temporary))
                File.Delete(temporary);
            ids.UnionWith(ReadLeases(Path.GetFileName(directory)).Select(l => l.Id));
        }

        foreach (string file in Directory.EnumerateFiles(Path.Combine(_root, HostsDirectory)).Where(f => !ids.Contains(Path.GetFileName(f))))
            File.Delete(file);
    }

    // Containers have the file itself mounted: it must stay the same one. Only what differs is written.
    private static void WriteInPlace(string path, byte[] content)
    {
        try
        {
            Overwrite(path, content);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Failed("write", path, e);
        }
    }

    private static void Overwrite(string path, byte[] content)
    {
        using var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
        if (file.Length == content.Length)
        {
            var present = new byte[content.Length];
            file.ReadExactly(present);
            if (present.AsSpan().SequenceEqual(content))
                return;
            file.Position = 0;
        }

        file.Write(content);
        file.SetLength(content.Length);
    }

    private static void Replace(string path, string content)
    {
        string temporary = path + Temporary;
        try
        {
            File.WriteAllText(temporary, content);
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            try
            {
                File.Delete(temporary);
            }
            catch (IOException)
            {
                // the first error is the one to tell
            }

            throw Failed("write", path, e);
        }
    }

    private string LeasePath(NetworkLease lease) => Path.Combine(_root, lease.Network, lease.Index.ToString(CultureInfo.InvariantCulture) + LeaseSuffix);

    private static LinuxException Failed(string action, string path, Exception e) => new(action, $"\"{path}\"", "openat(2)",
        e is UnauthorizedAccessException ? Errno.EACCES : e.Message.Contains("No space", StringComparison.Ordinal) ? Errno.ENOSPC : Errno.EIO, hint: e.Message.Split('\n')[0]);

    private static ulong NamespaceNumber()
    {
        using LinuxHandle current = Isolation.Net.NetworkNamespace.Open();
        FileSyscalls.Stat(current, out FileIdentity identity).ThrowIfError("read the number of", "this network namespace", "statx(2)");
        return identity.Inode;
    }
}

/// <summary>Where networks are kept: definitions across restarts of the machine, the rest until then.</summary>
internal static class NetworkDirectories
{
    private const string Override = "ISOLATION_NETWORKS";

    /// <summary>Networks that were made by name.</summary>
    internal static string Definitions => Environment.GetEnvironmentVariable(Override) is { Length: > 0 } given ? Path.Combine(given, "definitions") : "/var/lib/isolation/networks";

    /// <summary>What is in use.</summary>
    internal static string Runtime => Environment.GetEnvironmentVariable(Override) is { Length: > 0 } given ? Path.Combine(given, "run") : "/run/isolation";
}
