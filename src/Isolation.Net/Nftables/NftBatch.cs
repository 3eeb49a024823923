using System.Buffers.Binary;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;
using Isolation.Net.Nftables.Expressions;

namespace Isolation.Net.Nftables;

/// <summary>Changes that are made together or not at all: a transaction of nf_tables. Each is seen by those after it.</summary>
/// <example><code>
/// var batch = new NftBatch();
/// batch.Add(table).Add(input).Add(new NftRule(input).Match(NftField.TcpDestinationPort, 22).Accept());
/// nft.Execute(batch);
/// </code></example>
public sealed class NftBatch
{
    private const int HeaderLength = 4, MaxElementBytes = 32 * 1024;

    private readonly NetlinkWriter _writer = new();
    private readonly List<(string Action, string Noun, Func<string> Subject)> _changes = [];
    private uint _sets;
    private bool _ended;

    /// <summary>Initialises an empty batch.</summary>
    public NftBatch() => Begin();

    /// <summary>How many messages it has; large sets are several.</summary>
    public int Count => _changes.Count;

    internal NetlinkWriter Writer => _writer;

    /// <summary>Adds an object; one that is there already, and the same, is left.</summary>
    public NftBatch Add(NftObject added) => Put(added, "add", NetlinkAbi.NLM_F_CREATE | (added is NftRule ? NetlinkAbi.NLM_F_APPEND : 0));

    /// <summary>Adds an object; one that is there already fails the batch.</summary>
    public NftBatch Create(NftObject created) =>
        Put(created, "create", NetlinkAbi.NLM_F_CREATE | NetlinkAbi.NLM_F_EXCL | (created is NftRule ? NetlinkAbi.NLM_F_APPEND : 0));

    /// <summary>Inserts a rule before the others, or before the one at its position.</summary>
    public NftBatch Insert(NftRule rule) => Put(rule, "insert", NetlinkAbi.NLM_F_CREATE);

    /// <summary>Puts a rule in the place of the one with its handle.</summary>
    public NftBatch Replace(NftRule rule) => Put(rule, "replace", NetlinkAbi.NLM_F_REPLACE);

    /// <summary>Deletes an object with all that is in it. A rule is found by its handle.</summary>
    public NftBatch Delete(NftObject deleted)
    {
        ArgumentNullException.ThrowIfNull(deleted);
        return Message("delete", deleted.Noun, () => deleted.Subject, deleted.DeleteType, 0, deleted.Family, deleted.WriteDelete);
    }

    /// <summary>Deletes all rules of a chain.</summary>
    public NftBatch Flush(NftChain chain)
    {
        ArgumentNullException.ThrowIfNull(chain);
        return Message("flush", chain.Noun, () => chain.Subject, NfTables.NFT_MSG_DELRULE, 0, chain.Family, writer =>
        {
            writer.PutText(NfTables.NFTA_RULE_TABLE, chain.Table);
            writer.PutText(NfTables.NFTA_RULE_CHAIN, chain.Name);
        });
    }

    /// <summary>Deletes all elements of a set.</summary>
    public NftBatch Flush(NftSet set)
    {
        ArgumentNullException.ThrowIfNull(set);
        return Message("flush", set.Noun, () => set.Subject, NfTables.NFT_MSG_DELSETELEM, 0, set.Family, writer =>
        {
            writer.PutText(NfTables.NFTA_SET_ELEM_LIST_TABLE, set.Table);
            writer.PutText(NfTables.NFTA_SET_ELEM_LIST_SET, set.Name);
        });
    }

    /// <summary>Adds elements to a set; those that are there already, and the same, are left.</summary>
    public NftBatch Add(NftElements elements) => Elements("add", NfTables.NFT_MSG_NEWSETELEM, NetlinkAbi.NLM_F_CREATE, elements, 0);

    /// <summary>Adds elements to a set; one that is there already fails the batch.</summary>
    public NftBatch Create(NftElements elements) =>
        Elements("create", NfTables.NFT_MSG_NEWSETELEM, NetlinkAbi.NLM_F_CREATE | NetlinkAbi.NLM_F_EXCL, elements, 0);

    /// <summary>Deletes elements from a set; one that is not there fails the batch.</summary>
    public NftBatch Delete(NftElements elements) => Elements("delete", NfTables.NFT_MSG_DELSETELEM, 0, elements, 0);

    internal (string Action, string Subject) Describe(int index) => index >= 0 && index < _changes.Count
        ? ($"{_changes[index].Action} {_changes[index].Noun}", _changes[index].Subject())
        : ("carry out", "a batch");

    internal void End()
    {
        if (_ended)
            throw new InvalidOperationException("The batch was carried out already.");
        _ended = true;
        WriteFrame(Nfnetlink.NFNL_MSG_BATCH_END);
    }

    private NftBatch Put(NftObject subject, string action, int flags)
    {
        ArgumentNullException.ThrowIfNull(subject);
        if (subject is NftSet set)
            subject = set with { Id = ++_sets };
        if (subject is NftRule { AnonymousSets.IsEmpty: false } rule)
            subject = AddSets(rule);
        return Message(action, subject.Noun, () => subject.Subject, subject.NewType, (ushort)flags, subject.Family, subject.WriteNew);
    }

    // Numbers of sets are of the batch; in the rule they are of the rule.
    private NftRule AddSets(NftRule rule)
    {
        uint first = _sets;
        foreach (NftElements own in rule.AnonymousSets)
        {
            NftSet set = own.Set with { Id = ++_sets, Size = (uint)own.Items.Length };
            Message("add", set.Noun, () => $"of {rule.Noun} {rule.Subject}", NfTables.NFT_MSG_NEWSET, NetlinkAbi.NLM_F_CREATE,
                rule.Family, set.WriteNew);
            Elements("add", NfTables.NFT_MSG_NEWSETELEM, NetlinkAbi.NLM_F_CREATE, own with { Set = set }, set.Id);
        }

        return rule with
        {
            Expressions = [.. rule.Expressions.Select(e => e is LookupExpression { SetId: { } id } lookup
                ? lookup with { SetId = first + id }
                : e)],
        };
    }

    private NftBatch Elements(string action, ushort type, int flags, NftElements elements, uint setId)
    {
        ArgumentNullException.ThrowIfNull(elements);
        NftSet set = elements.Set;
        // One attribute holds at most 64 KiB.
        for (int i = 0; i < elements.Items.Length;)
        {
            int first = i;
            Message(action, elements.Items.Length == 1 ? "element" : "elements", () => Named(elements), type,
                (ushort)flags, set.Family, writer =>
                {
                    writer.PutText(NfTables.NFTA_SET_ELEM_LIST_TABLE, set.Table);
                    writer.PutText(NfTables.NFTA_SET_ELEM_LIST_SET, set.Name);
                    if (setId != 0)
                        writer.PutBigEndianUInt32(NfTables.NFTA_SET_ELEM_LIST_SET_ID, setId);
                    int start = writer.Written.Length;
                    using (writer.Nested(NfTables.NFTA_SET_ELEM_LIST_ELEMENTS))
                    {
                        for (i = first; i < elements.Items.Length && writer.Written.Length - start < MaxElementBytes; i++)
                            elements.Items[i].Write(writer, set);
                    }
                });
        }

        return this;
    }

    private static string Named(NftElements elements) => elements.Items.Length == 1
        ? $"{elements.Items[0].Format(elements.Set)} of {elements.Set.Noun} {elements.Set.Subject}"
        : elements.Subject;

    private NftBatch Message(string action, string noun, Func<string> subject, ushort type, ushort flags, NftFamily family,
        Action<NetlinkWriter> write)
    {
        _writer.BeginNetfilter(Nfnetlink.NFNL_SUBSYS_NFTABLES, type, flags, (byte)family);
        try
        {
            write(_writer);
        }
        catch
        {
            _writer.Abandon();
            throw;
        }

        _writer.End();
        _changes.Add((action, noun, subject));
        return this;
    }

    private void Begin() => WriteFrame(Nfnetlink.NFNL_MSG_BATCH_BEGIN);

    private void WriteFrame(ushort type)
    {
        Span<byte> header = stackalloc byte[HeaderLength];
        header.Clear();
        BinaryPrimitives.WriteUInt16BigEndian(header[2..], Nfnetlink.NFNL_SUBSYS_NFTABLES);
        _writer.Begin(type, 0, header);
        _writer.End();
    }
}
