using System.Collections.Immutable;
using System.Globalization;
using Isolation.Containers;
using Isolation.Namespaces;

namespace Isolation.Launcher;

/// <summary>Ids of the host for a container's user namespace, of the ranges that /etc/subuid and /etc/subgid grant.</summary>
internal static class IdRanges
{
    /// <summary>Ids of one container; as many as useradd(8) grants to a user (SUB_UID_COUNT).</summary>
    private const uint Size = 65536;

    private const string Directory = "/run/isolation/ids";

    /// <summary>Whose grants are given out, the first that has any; "containers" is Podman's (root-auto-userns-user of
    /// storage.conf).</summary>
    private static readonly string[] s_owners = ["isolation", "containers"];

    /// <summary>The range of this container, held until this program ends.</summary>
    private static (IdMap Map, FileStream Lease)? s_own;

    /// <summary>All ids that a user is granted, from 0 on inside: docker's userns-remap.</summary>
    internal static ContainerBuilder OfUser(ContainerBuilder builder, string user)
    {
        uint number = uint.TryParse(user, NumberStyles.None, CultureInfo.InvariantCulture, out uint id) ? id : uint.MaxValue;
        HostFacts facts = HostFacts.Current;
        return builder.WithUserNamespace(Map("/etc/subuid", facts.UserId), Map("/etc/subgid", facts.GroupId));

        // An ordinary user's own id is 0 inside, as newuidmap(1) lets it be.
        IdMap Map(string file, uint own)
        {
            ImmutableArray<SubIdFile.Grant> grants = SubIdFile.Read(file, user, number);
            if (grants.IsEmpty)
                throw new FormatException($"\"{user}\" is granted no ids in {file}: add a line such as {user}:100000:65536 to it.");
            return facts.IsPrivileged ? Join(grants) : SubIdFile.ToMap(own, grants)!;
        }
    }

    /// <summary>A range that no other container of this host has.</summary>
    internal static ContainerBuilder Own(ContainerBuilder builder)
    {
        IdMap map = (s_own ??= Take()).Map;
        return builder.WithUserNamespace(map, map);
    }

    private static IdMap Join(ImmutableArray<SubIdFile.Grant> grants)
    {
        uint next = 0;
        var ranges = ImmutableArray.CreateBuilder<IdMapRange>();
        foreach (SubIdFile.Grant grant in grants)
        {
            ranges.Add(new IdMapRange(next, grant.Start, grant.Count));
            next += grant.Count;
        }

        return new IdMap([.. ranges]);
    }

    private static (IdMap Map, FileStream Lease) Take()
    {
        foreach (string owner in s_owners)
        {
            ImmutableArray<SubIdFile.Grant> users = SubIdFile.Read("/etc/subuid", owner, uint.MaxValue),
                groups = SubIdFile.Read("/etc/subgid", owner, uint.MaxValue);
            // Ids that are granted as users and as groups: one map is both.
            uint[] starts = [.. users.SelectMany(u => Starts(u)
                .Where(s => groups.Any(g => s >= g.Start && s + (ulong)Size <= g.Start + (ulong)g.Count)))];
            if (starts.Length == 0)
                continue;
            System.IO.Directory.CreateDirectory(Directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            foreach (uint start in starts)
            {
                if (TryLease(start) is { } lease)
                    return (new IdMap(new IdMapRange(0, start, Size)), lease);
            }

            throw new FormatException(string.Create(CultureInfo.InvariantCulture,
                $"all {starts.Length} ranges of {Size} ids of \"{owner}\" are in use: grant it more in /etc/subuid and /etc/subgid."));
        }

        throw new FormatException("no ids are granted to give out: add isolation:1000000000:65536000 to /etc/subuid and /etc/subgid.");
    }

    private static IEnumerable<uint> Starts(SubIdFile.Grant grant)
    {
        for (ulong start = grant.Start; start + Size <= grant.Start + (ulong)grant.Count; start += Size)
            yield return (uint)start;
    }

    /// <summary>Takes a range, by a lock that ends with this program however it ends; null where another has it.</summary>
    private static FileStream? TryLease(uint start)
    {
        try
        {
            // FileShare.None is flock(2) with LOCK_EX | LOCK_NB.
            return new FileStream($"{Directory}/{start.ToString(CultureInfo.InvariantCulture)}", FileMode.OpenOrCreate,
                FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException)
        {
            return null;
        }
    }
}
