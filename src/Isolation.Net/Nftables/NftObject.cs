using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables;

/// <summary>Something that nf_tables keeps: a table, a chain, a rule, a set, a counter, a quota. An immutable value:
/// what is wanted, and what was read.</summary>
public abstract record NftObject
{
    private protected NftObject(NftFamily family, string table) => (Family, Table) = (family, table);

    /// <summary>The family of its table.</summary>
    public NftFamily Family { get; init; }

    /// <summary>Its table's name; of a table, its own.</summary>
    public string Table { get; init; }

    /// <summary>The number that the kernel has given it, as read; 0 before.</summary>
    public ulong Handle { get; init; }

    internal abstract string Noun { get; }

    internal abstract string Subject { get; }

    /// <summary>The message that makes it, without the subsystem.</summary>
    internal abstract ushort NewType { get; }

    internal virtual ushort DeleteType => (ushort)(NewType + 2);

    internal abstract void WriteNew(NetlinkWriter writer);

    internal abstract void WriteDelete(NetlinkWriter writer);

    private protected string TableText => $"{NftNames.Of(Family)} {Table}";
}
