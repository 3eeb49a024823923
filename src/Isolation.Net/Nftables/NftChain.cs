using System.Collections.Immutable;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;
using Isolation.Net.Routing;

namespace Isolation.Net.Nftables;

/// <summary>A chain: rules in an order. A base chain is asked at a hook; another one only by jumps. <c>nft add chain</c>.</summary>
/// <example><code>
/// var input = new NftChain(table, "input") { Hook = NftHook.Input, Policy = NftVerdict.Drop };
/// </code></example>
public sealed record NftChain : NftObject
{
    /// <summary>Initialises a chain.</summary>
    public NftChain(NftTable table, string name) : this((table ?? throw new ArgumentNullException(nameof(table))).Family, table.Table, name)
    {
    }

    /// <summary>Initialises a chain.</summary>
    public NftChain(NftFamily family, string table, string name) : base(family, table ?? throw new ArgumentNullException(nameof(table))) =>
        Name = name ?? throw new ArgumentNullException(nameof(name));

    /// <summary>Its name.</summary>
    public string Name { get; init; }

    /// <summary>Where it is asked; null for a chain that is only jumped to.</summary>
    public NftHook? Hook { get; init; }

    /// <summary>What it is for.</summary>
    public NftChainType Type { get; init; }

    /// <summary>Among the chains of a hook, the lowest is asked first: 0 is that of filters, -100 of dnat, 100 of snat.</summary>
    public int Priority { get; init; }

    /// <summary>What becomes of packets that no rule decides about: accept or drop; null for accept.</summary>
    public NftVerdict? Policy { get; init; }

    /// <summary>The links whose packets it sees, by name, of the hooks ingress and egress.</summary>
    public ImmutableArray<string> Devices { get; init; } = [];

    /// <summary>A comment.</summary>
    public string? Comment { get; init; }

    internal override string Noun => "chain";

    internal override string Subject => $"\"{Name}\" of table {TableText}";

    internal override ushort NewType => NfTables.NFT_MSG_NEWCHAIN;

    /// <summary>Compares by value, the devices included.</summary>
    public bool Equals(NftChain? other) => base.Equals(other) && Name == other.Name && Hook == other.Hook && Type == other.Type
        && Priority == other.Priority && Policy == other.Policy
        && Devices.AsSpan().SequenceEqual(other.Devices.AsSpan()) && Comment == other.Comment;

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(base.GetHashCode(), Name, Hook, Priority);

    internal override void WriteNew(NetlinkWriter writer)
    {
        NftNames.Check(Name);
        WriteDelete(writer);
        NftUserData.PutComment(writer, NfTables.NFTA_CHAIN_USERDATA, Comment);
        if (Hook is not { } hook)
            return;
        writer.PutText(NfTables.NFTA_CHAIN_TYPE, NftNames.Of(Type));
        using (writer.Nested(NfTables.NFTA_CHAIN_HOOK))
        {
            writer.PutBigEndianUInt32(NfTables.NFTA_HOOK_HOOKNUM, NftNames.Number(Family, hook));
            writer.PutBigEndianUInt32(NfTables.NFTA_HOOK_PRIORITY, unchecked((uint)Priority));
            if (Devices is [{ } only])
            {
                writer.PutText(NfTables.NFTA_HOOK_DEV, LinkNames.Check(only));
            }
            else if (!Devices.IsEmpty)
            {
                using (writer.Nested(NfTables.NFTA_HOOK_DEVS))
                {
                    foreach (string device in Devices)
                        writer.PutText(NfTables.NFTA_DEVICE_NAME, LinkNames.Check(device));
                }
            }
        }

        if (Policy is { } policy)
        {
            writer.PutBigEndianUInt32(NfTables.NFTA_CHAIN_POLICY,
                policy.Kind is NftVerdictKind.Accept or NftVerdictKind.Drop ? (uint)policy.Kind
                    : throw new ArgumentException($"A policy is accept or drop, not {policy}."));
        }
    }

    internal override void WriteDelete(NetlinkWriter writer)
    {
        writer.PutText(NfTables.NFTA_CHAIN_TABLE, Table);
        writer.PutText(NfTables.NFTA_CHAIN_NAME, Name);
    }

    internal static NftChain Read(NftFamily family, AttributeReader reader)
    {
        string table = "", name = "";
        string? type = null, comment = null;
        ulong handle = 0;
        uint? policy = null, hook = null;
        int priority = 0;
        ImmutableArray<string> devices = [];
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case NfTables.NFTA_CHAIN_TABLE:
                    table = reader.Text;
                    break;
                case NfTables.NFTA_CHAIN_NAME:
                    name = reader.Text;
                    break;
                case NfTables.NFTA_CHAIN_TYPE:
                    type = reader.Text;
                    break;
                case NfTables.NFTA_CHAIN_HANDLE:
                    handle = reader.BigEndianUInt64;
                    break;
                case NfTables.NFTA_CHAIN_POLICY:
                    policy = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_CHAIN_USERDATA:
                    comment = NftUserData.ReadComment(reader.Value);
                    break;
                case NfTables.NFTA_CHAIN_HOOK:
                    (hook, priority, devices) = ReadHook(reader.Nested);
                    break;
            }
        }

        return new NftChain(family, table, name)
        {
            Handle = handle,
            Hook = hook is { } number ? NftNames.Hook(family, number) : null,
            Type = type switch { "nat" => NftChainType.Nat, "route" => NftChainType.Route, _ => NftChainType.Filter },
            Priority = priority,
            Policy = policy is { } verdict ? new NftVerdict((NftVerdictKind)verdict) : null,
            Devices = devices,
            Comment = comment,
        };
    }

    private static (uint Hook, int Priority, ImmutableArray<string> Devices) ReadHook(AttributeReader reader)
    {
        uint hook = 0;
        int priority = 0;
        var devices = ImmutableArray.CreateBuilder<string>();
        string? single = null;
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case NfTables.NFTA_HOOK_HOOKNUM:
                    hook = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_HOOK_PRIORITY:
                    priority = unchecked((int)reader.BigEndianUInt32);
                    break;
                case NfTables.NFTA_HOOK_DEV:
                    single = reader.Text;
                    break;
                case NfTables.NFTA_HOOK_DEVS:
                    AttributeReader names = reader.Nested;
                    while (names.MoveNext())
                        devices.Add(names.Text);
                    break;
            }
        }

        // The kernel tells a single one twice.
        if (devices.Count == 0 && single is not null)
            devices.Add(single);
        return (hook, priority, devices.ToImmutable());
    }
}
