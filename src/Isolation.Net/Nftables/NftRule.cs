using System.Collections.Immutable;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;
using Isolation.Net.Nftables.Expressions;

namespace Isolation.Net.Nftables;

/// <summary>A rule: what must hold of a packet, in order, and what is done with it. <c>nft add rule</c>.</summary>
/// <remarks>Each method gives a new rule with one thing more. What a field needs to be there is added by itself: a port that the packet has
/// that transport protocol, an address that it is of that family.</remarks>
/// <example><code>
/// NftRule rule = new NftRule(input).Match(NftField.TcpDestinationPort, 22).Match(NftField.ConnectionState, "new").Counter().Accept();
/// Console.WriteLine(rule); // tcp dport 22 ct state new counter packets 0 bytes 0 accept
/// </code></example>
public sealed partial record NftRule : NftObject
{
    /// <summary>Initialises a rule that matches every packet and does nothing.</summary>
    public NftRule(NftChain chain) : this((chain ?? throw new ArgumentNullException(nameof(chain))).Family, chain.Table, chain.Name)
    {
    }

    /// <summary>Initialises a rule that matches every packet and does nothing.</summary>
    public NftRule(NftFamily family, string table, string chain) : base(family, table ?? throw new ArgumentNullException(nameof(table))) =>
        Chain = chain ?? throw new ArgumentNullException(nameof(chain));

    /// <summary>Its chain's name.</summary>
    public string Chain { get; init; }

    /// <summary>The steps that the kernel runs.</summary>
    public ImmutableArray<NftExpression> Expressions { get; init; } = [];

    /// <summary>The handle of the rule after which it is added, or before which it is inserted; 0 for the end, or the beginning.</summary>
    public ulong Position { get; init; }

    /// <summary>A comment.</summary>
    public string? Comment { get; init; }

    /// <summary>Sets that only this rule uses, made in the same batch: by their numbers there.</summary>
    internal ImmutableArray<NftElements> AnonymousSets { get; init; } = [];

    internal override string Noun => "rule";

    internal override string Subject => $"\"{NftSyntax.Rule(this, null)}\" of chain \"{Chain}\" of table {TableText}";

    internal override ushort NewType => NfTables.NFT_MSG_NEWRULE;

    /// <summary>Compares by value, the steps included.</summary>
    public bool Equals(NftRule? other) => base.Equals(other) && Chain == other.Chain
        && Expressions.AsSpan().SequenceEqual(other.Expressions.AsSpan()) && Position == other.Position && Comment == other.Comment
        && AnonymousSets.AsSpan().SequenceEqual(other.AnonymousSets.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(base.GetHashCode(), Chain, Expressions.Length, Position);

    /// <summary>The rule as nft(8) writes it.</summary>
    public override string ToString() => NftSyntax.Rule(this, null);

    internal override void WriteNew(NetlinkWriter writer)
    {
        writer.PutText(NfTables.NFTA_RULE_TABLE, Table);
        writer.PutText(NfTables.NFTA_RULE_CHAIN, Chain);
        if (Position != 0)
            writer.PutBigEndianUInt64(NfTables.NFTA_RULE_POSITION, Position);
        if (Handle != 0)
            writer.PutBigEndianUInt64(NfTables.NFTA_RULE_HANDLE, Handle);
        NftExpression.WriteAll(writer, NfTables.NFTA_RULE_EXPRESSIONS, Expressions);
        NftUserData.PutComment(writer, NfTables.NFTA_RULE_USERDATA, Comment);
    }

    internal override void WriteDelete(NetlinkWriter writer)
    {
        // Without a number the kernel would delete all rules of the chain.
        if (Handle == 0)
            throw new ArgumentException("A rule is deleted by its handle: read it first.");
        writer.PutText(NfTables.NFTA_RULE_TABLE, Table);
        writer.PutText(NfTables.NFTA_RULE_CHAIN, Chain);
        writer.PutBigEndianUInt64(NfTables.NFTA_RULE_HANDLE, Handle);
    }

    internal static NftRule Read(NftFamily family, AttributeReader reader)
    {
        string table = "", chain = "";
        string? comment = null;
        ulong handle = 0;
        ImmutableArray<NftExpression> expressions = [];
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case NfTables.NFTA_RULE_TABLE:
                    table = reader.Text;
                    break;
                case NfTables.NFTA_RULE_CHAIN:
                    chain = reader.Text;
                    break;
                case NfTables.NFTA_RULE_HANDLE:
                    handle = reader.BigEndianUInt64;
                    break;
                case NfTables.NFTA_RULE_EXPRESSIONS:
                    expressions = NftExpression.ReadAll(reader.Nested);
                    break;
                case NfTables.NFTA_RULE_USERDATA:
                    comment = NftUserData.ReadComment(reader.Value);
                    break;
            }
        }

        return new NftRule(family, table, chain) { Handle = handle, Expressions = expressions, Comment = comment };
    }
}
