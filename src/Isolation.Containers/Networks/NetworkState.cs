using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Containers;

/// <summary>Bridge networks and their leases as files, shared by all processes of this network namespace; held under a lock.</summary>
/// <remarks>Below /run/isolation/net-NUMBER, where the number is the network namespace's: a directory for each network that is in use, with
/// a file for each lease, the hosts file that containers share, and one for each that has lines of its own; and a file for each name and
/// port, with the leases that claim it. A lease is believed only as long as its process is there. What a start reads and writes does not
/// grow with the number of leases, but for a line in each hosts file that is not shared.</remarks>
internal sealed partial class NetworkState : IDisposable
{
    private const string Definition = "network.json", LeaseSuffix = ".lease", HostsDirectory = "hosts", ClaimsDirectory = "claims",
        Temporary = ".new";

    /// <summary>The hosts file that containers share: the names of all containers of a network. No lease is called so.</summary>
    private const string SharedHosts = "shared";

    private const uint LOCK_EX = 2, LOCK_NB = 4, LOCK_UN = 8;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    private readonly string _root;
    private readonly LinuxHandle _lock;

    private NetworkState(string root, LinuxHandle held) => (_root, _lock) = (root, held);

    /// <summary>Takes the lock; waits for others that have it, which have it for milliseconds.</summary>
    /// <exception cref="LinuxException">The directory cannot be made, or written. <c>ETIMEDOUT</c>: somebody had the lock for 20
    /// s.</exception>
    /// <exception cref="OperationCanceledException">The waiting was cancelled.</exception>
    internal static NetworkState Open(CancellationToken cancellationToken = default)
    {
        string root = Path.Combine(NetworkDirectories.Runtime, "net-" + NamespaceNumber().ToString(CultureInfo.InvariantCulture));
        try
        {
            Directory.CreateDirectory(Path.Combine(root, ClaimsDirectory));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Failed("make", root, e);
        }

        string path = Path.Combine(root, "lock");
        SyscallResult opened = FileSyscalls.OpenAt(null, path, Fcntl.O_RDWR | Fcntl.O_CREAT, 0b110_000_000);
        opened.ThrowIfError("open", $"\"{path}\"", "openat(2)");
        var file = new LinuxHandle((int)opened.Value);
        try
        {
            Lock(file, path, cancellationToken);
            return new NetworkState(root, file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Asks again and again: a lock that is waited for in the kernel can be neither cancelled nor given up.</summary>
    private static void Lock(LinuxHandle file, string path, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        for (int pause = 1; ; pause = Math.Min(pause * 2, 20))
        {
            SyscallResult locked = RawSyscall.InvokeRestarting(Syscall.flock, file, LOCK_EX | LOCK_NB);
            if (locked.Errno != Errno.EAGAIN)
            {
                locked.ThrowIfError("lock", $"\"{path}\"", "flock(2)");
                return;
            }

            if (Stopwatch.GetElapsedTime(start) > s_patience)
                throw new LinuxException("lock", $"\"{path}\"", "flock(2)", Errno.ETIMEDOUT,
                    remedy: $"Another process has had the lock for {s_patience.TotalSeconds} s; /proc/locks tells which.");
            cancellationToken.WaitHandle.WaitOne(pause);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    /// <summary>Lets the lock go.</summary>
    public void Dispose()
    {
        // Not by closing alone: a child that another thread has just made has a copy of the descriptor until it executes its program, and
        // may wait for this very lock until then.
        RawSyscall.Invoke(Syscall.flock, _lock, LOCK_UN);
        _lock.Dispose();
    }

    /// <summary>The names of the networks that are in use.</summary>
    internal ImmutableArray<string> ReadNames() =>
        [.. Directory.EnumerateDirectories(_root).Where(d => File.Exists(Path.Combine(d, Definition))).Select(d => Path.GetFileName(d))
            .Order(StringComparer.Ordinal)];

    /// <summary>The networks that are in use.</summary>
    internal IEnumerable<BridgeNetwork> ReadNetworks() => ReadNames().Select(FindNetwork).OfType<BridgeNetwork>();

    internal BridgeNetwork? FindNetwork(string name)
    {
        string path = Path.Combine(_root, name, Definition);
        return TextFile.ReadIfThere(path) is { } text ? NetworkJson.ReadNetwork(text, path) : null;
    }

    internal void WriteNetwork(BridgeNetwork network)
    {
        Directory.CreateDirectory(Path.Combine(_root, network.Name, HostsDirectory));
        WriteInPlace(SharedPath(network.Name), NetworkFiles.CommonHosts);
        Replace(Path.Combine(_root, network.Name, Definition), NetworkJson.Write(network));
    }

    /// <summary>Deletes a network's directory, what defines it first: where this is not done to the end, nobody takes it for a network,
    /// and the next removes the rest.</summary>
    internal void DeleteNetwork(string name)
    {
        string directory = Path.Combine(_root, name);
        File.Delete(Path.Combine(directory, Definition));
        Directory.Delete(directory, recursive: true);
    }

    /// <summary>The numbers of a network's leases, in order. No lease is read.</summary>
    internal long[] ReadIndices(string network)
    {
        string directory = Path.Combine(_root, network);
        return !Directory.Exists(directory) ? [] : [.. Directory.EnumerateFiles(directory, "*" + LeaseSuffix)
            .Select(p => long.TryParse(Path.GetFileNameWithoutExtension(p), NumberStyles.None, CultureInfo.InvariantCulture, out long index)
                ? index : -1).Where(i => i >= 0).Order()];
    }

    internal ImmutableArray<NetworkLease> ReadLeases(string network) =>
        [.. ReadIndices(network).Select(i => FindLease(network, i)).OfType<NetworkLease>()];

    internal NetworkLease? FindLease(string network, long index)
    {
        string path = LeasePath(network, index);
        return TextFile.ReadIfThere(path) is { } text ? NetworkJson.ReadLease(text, path) : null;
    }

    /// <summary>Writes a lease again, with another process.</summary>
    internal void WriteLease(NetworkLease lease) => Replace(LeasePath(lease.Network, lease.Index), NetworkJson.Write(lease));

    /// <summary>Takes up a lease: its file, what it claims, its hosts file, and its lines in those of the others.</summary>
    internal void Add(NetworkLease lease)
    {
        WriteLease(lease);
        foreach (string claim in lease.Claims)
            Claim(claim, lease);
        AddHosts(lease);
    }

    /// <summary>Removes a lease, its file last: who is killed between leaves one that is dead, and is removed whole by others.</summary>
    internal void DeleteLease(NetworkLease lease)
    {
        foreach (string claim in lease.Claims)
            Unclaim(claim, lease);
        RemoveHosts(lease);
        File.Delete(LeasePath(lease.Network, lease.Index));
    }

    /// <summary>Whether the lease is still this one: another process may have given its number away when this one was thought
    /// dead.</summary>
    internal bool Holds(NetworkLease lease) => FindLease(lease.Network, lease.Index)?.Id == lease.Id;

    /// <summary>Takes away from a network what belonged to processes that are gone, and returns it.</summary>
    /// <param name="network">The network.</param>
    /// <param name="most">How many leases are looked at; which, is left to chance, so that all are in time.</param>
    /// <param name="drop">Called for each of those that are gone.</param>
    internal List<NetworkLease> DropDead(string network, int most, Action<NetworkLease> drop)
    {
        long[] indices = ReadIndices(network);
        int first = indices.Length <= most ? 0 : Random.Shared.Next(indices.Length);
        var dead = new List<NetworkLease>();
        for (int i = 0; i < Math.Min(indices.Length, most); i++)
        {
            if (FindLease(network, indices[(first + i) % indices.Length]) is not { IsAlive: false } lease)
                continue;
            drop(lease);
            DeleteLease(lease);
            dead.Add(lease);
        }

        // Who was killed may have been about to write them.
        if (dead.Count > 0)
            WriteHosts(network);
        return dead;
    }

    /// <summary>Removes files that processes which were killed between two of them have left. Nothing is read but names.</summary>
    internal void DropStray(string network)
    {
        string directory = Path.Combine(_root, network);
        foreach (string temporary in Directory.EnumerateFiles(directory, "*" + Temporary))
            File.Delete(temporary);
    }

    /// <summary>Removes directories of networks that were never written, or not deleted, to the end; and what their leases
    /// claimed.</summary>
    internal void DropStrayNetworks()
    {
        foreach (string directory in Directory.EnumerateDirectories(_root))
        {
            if (Path.GetFileName(directory) == ClaimsDirectory || File.Exists(Path.Combine(directory, Definition)))
                continue;
            DropClaims(Path.GetFileName(directory));
            Directory.Delete(directory, recursive: true);
        }
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

    /// <summary>Works on the files of networks, and tells what the file system refuses as other refusals are told.</summary>
    internal static T Do<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Failed("use", NetworkDirectories.Runtime, e);
        }
    }

    private string LeasePath(string network, long index) =>
        Path.Combine(_root, network, index.ToString(CultureInfo.InvariantCulture) + LeaseSuffix);

    private static LinuxException Failed(string action, string path, Exception e) =>
        LinuxException.Of(action, $"\"{path}\"", e, remedy: e.Message.Split('\n')[0]);

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
    internal static string Definitions => Environment.GetEnvironmentVariable(Override) is { Length: > 0 } given
        ? Path.Combine(given, "definitions")
        : "/var/lib/isolation/networks";

    /// <summary>What is in use.</summary>
    internal static string Runtime => Environment.GetEnvironmentVariable(Override) is { Length: > 0 } given
        ? Path.Combine(given, "run")
        : "/run/isolation";
}
