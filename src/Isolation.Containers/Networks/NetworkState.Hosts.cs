using System.Globalization;
using System.Text;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Containers;

/// <summary>The hosts files of a network's containers, and what leases claim.</summary>
internal sealed partial class NetworkState
{
    /// <summary>Where a hosts file of a network is, by the end of its path in its file system: null where it is none.</summary>
    internal static string? FindHostsPath(string root) =>
        root.Split('/') is [.., var state, var network, HostsDirectory, var id] && state.StartsWith("net-", StringComparison.Ordinal)
            && network is not ("" or "." or "..") && (id == SharedHosts || id.All(char.IsAsciiHexDigit))
            ? Path.Combine(NetworkDirectories.Runtime, state, network, HostsDirectory, id)
            : null;

    internal string HostsPath(NetworkLease lease) =>
        Path.Combine(_root, lease.Network, HostsDirectory, lease.SharesHosts ? SharedHosts : lease.Id);

    /// <summary>Whether a container finds all that it must in the shared file: it has no lines of its own, and no other is found by its
    /// name in a line before.</summary>
    internal bool CanShareHosts(NetworkLease lease) => lease.HostsHead == NetworkFiles.CommonHosts + lease.HostsLines
        && lease.Names.All(n => n == lease.Name && !File.Exists(ClaimPath(NetworkLease.AliasClaim(n))));

    /// <summary>Writes the hosts files of all containers of a network anew: each knows all.</summary>
    internal void WriteHosts(string network)
    {
        string directory = MakeHostsDirectory(network);
        // Who shares the file is found in it by its own name first.
        NetworkLease[] leases = [.. ReadLeases(network).OrderBy(l => !l.SharesHosts)];
        WriteInPlace(SharedPath(network), NetworkFiles.CommonHosts + string.Concat(leases.Select(l => l.HostsLines)));
        foreach (NetworkLease lease in leases.Where(l => !l.SharesHosts))
            WriteInPlace(HostsPath(lease), lease.HostsHead + string.Concat(leases.Where(l => l.Id != lease.Id).Select(l => l.HostsLines)));
        foreach (string stray in Directory.EnumerateFiles(directory)
            .Where(f => Path.GetFileName(f) is var name && name != SharedHosts && leases.All(l => l.Id != name)))
            File.Delete(stray);
    }

    /// <summary>Writes the newcomer's lines behind those that the others have already, and its own file where it has one.</summary>
    private void AddHosts(NetworkLease lease)
    {
        if (TextFile.ReadIfThere(SharedPath(lease.Network)) is not { } names)
        {
            WriteHosts(lease.Network);
            return;
        }

        byte[] lines = Encoding.UTF8.GetBytes(lease.HostsLines);
        foreach (string file in lines.Length > 0 ? Directory.EnumerateFiles(MakeHostsDirectory(lease.Network)) : [])
            Append(file, lines);
        if (!lease.SharesHosts)
            WriteInPlace(HostsPath(lease), lease.HostsHead + names[Math.Min(names.Length, NetworkFiles.CommonHosts.Length)..]);
    }

    private void RemoveHosts(NetworkLease lease)
    {
        string directory = MakeHostsDirectory(lease.Network);
        if (!lease.SharesHosts)
            File.Delete(HostsPath(lease));
        if (lease.HostsLines.Length == 0)
            return;
        foreach (string other in Directory.EnumerateFiles(directory))
            Cut(other, lease.HostsLines);
    }

    /// <summary>The directory of the hosts files, made anew where it was deleted by half.</summary>
    private string MakeHostsDirectory(string network)
    {
        string directory = Path.Combine(_root, network, HostsDirectory);
        Directory.CreateDirectory(directory);
        return directory;
    }

    /// <summary>The leases that claim a name or a port; of each that is told here, only its own file says what it has.</summary>
    internal IEnumerable<NetworkLease> Claimants(string claim)
    {
        string path = ClaimPath(claim);
        foreach (string line in TextFile.Lines(TextFile.ReadIfThere(path) ?? ""))
        {
            int slash = line.LastIndexOf('/');
            if (slash > 0 && long.TryParse(line.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out long index)
                && FindLease(line[..slash], index) is { } lease && lease.Claims.Contains(claim))
            {
                yield return lease;
            }
        }
    }

    private void Claim(string claim, NetworkLease lease) => Append(ClaimPath(claim), Encoding.UTF8.GetBytes(ClaimLine(lease)));

    private void Unclaim(string claim, NetworkLease lease)
    {
        string path = ClaimPath(claim);
        Cut(path, ClaimLine(lease));
        DeleteIfEmpty(path);
    }

    /// <summary>Takes back whatever leases of a network claim.</summary>
    private void DropClaims(string network)
    {
        foreach (string path in Directory.EnumerateFiles(Path.Combine(_root, ClaimsDirectory)))
        {
            string[] lines = TextFile.Lines(TextFile.ReadIfThere(path) ?? "");
            if (!lines.Any(IsOfNetwork))
                continue;
            WriteInPlace(path, string.Concat(lines.Where(l => !IsOfNetwork(l)).Select(l => l + "\n")));
            DeleteIfEmpty(path);
        }

        bool IsOfNetwork(string line) => line.StartsWith(network + "/", StringComparison.Ordinal);
    }

    private static void DeleteIfEmpty(string path)
    {
        if (new FileInfo(path) is { Exists: true, Length: 0 } empty)
            empty.Delete();
    }

    private string SharedPath(string network) => Path.Combine(_root, network, HostsDirectory, SharedHosts);

    private string ClaimPath(string claim) => Path.Combine(_root, ClaimsDirectory, claim);

    private static string ClaimLine(NetworkLease lease) => string.Create(CultureInfo.InvariantCulture, $"{lease.Network}/{lease.Index}\n");

    private static void Append(string path, byte[] content)
    {
        SyscallResult opened = FileSyscalls.OpenAt(null, path, Fcntl.O_WRONLY | Fcntl.O_CREAT | Fcntl.O_APPEND, 0b110_100_100);
        opened.ThrowIfError("open", $"\"{path}\"", "openat(2)");
        using var file = new LinuxHandle((int)opened.Value);
        WriteAll(file, path, content);
    }

    private static void WriteAll(LinuxHandle file, string path, byte[] content)
    {
        if (content.Length == 0)
            return;
        SyscallResult written = FileSyscalls.Write(file, content);
        written.ThrowIfError("write", $"\"{path}\"", "write(2)");
        if (written.Value < content.Length)
            throw new LinuxException("write", $"\"{path}\"", "write(2)", Errno.ENOSPC);
    }

    /// <summary>Takes lines out of a file, where they are in it: the last of them, for what a container was told to have comes
    /// before.</summary>
    private static void Cut(string path, string lines)
    {
        if (TextFile.ReadIfThere(path) is not { } text)
            return;
        for (int at = text.LastIndexOf(lines, StringComparison.Ordinal); at >= 0; at = at == 0 ? -1
            : text.LastIndexOf(lines, at - 1, StringComparison.Ordinal))
        {
            if (at > 0 && text[at - 1] != '\n')
                continue;
            WriteInPlace(path, text.Remove(at, lines.Length));
            return;
        }
    }

    // Containers have the file itself mounted: it must stay the same one. Only what differs is written.
    private static void WriteInPlace(string path, string text)
    {
        if (TextFile.ReadIfThere(path) == text)
            return;
        byte[] content = Encoding.UTF8.GetBytes(text);
        SyscallResult opened = FileSyscalls.OpenAt(null, path, Fcntl.O_WRONLY | Fcntl.O_CREAT, 0b110_100_100);
        opened.ThrowIfError("open", $"\"{path}\"", "openat(2)");
        using var file = new LinuxHandle((int)opened.Value);
        WriteAll(file, path, content);
        FileSyscalls.Truncate(file, content.Length).ThrowIfError("write", $"\"{path}\"", "ftruncate(2)");
    }
}
