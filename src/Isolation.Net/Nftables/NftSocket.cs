using System.Collections.Immutable;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables;

/// <summary>Reads and changes the packet filter of one network namespace: nf_tables, what nft(8) shows and sets.</summary>
/// <remarks>Changes need <c>CAP_NET_ADMIN</c> in the user namespace that owns the network, and so does reading.
/// Not for several threads at once.</remarks>
/// <example><code>
/// using NftSocket nft = NftSocket.Open();
/// var table = new NftTable(NftFamily.Inet, "filter");
/// var input = new NftChain(table, "input") { Hook = NftHook.Input, Policy = NftVerdict.Drop };
/// nft.Execute(new NftBatch().Add(table).Add(input)
///     .Add(new NftRule(input).Match(NftField.ConnectionState, "established,related").Accept())
///     .Add(new NftRule(input).Match(NftField.TcpDestinationPort, 22).Accept()));
/// Console.WriteLine(nft.ReadRuleset());
/// </code></example>
public sealed class NftSocket : IDisposable
{
    private const int MaxAttempts = 50;

    private readonly NetlinkSocket _socket;
    private readonly NetlinkWriter _writer = new();

    internal NftSocket(NetlinkSocket socket) => _socket = socket;

    /// <summary>The socket itself.</summary>
    public NetlinkSocket Socket => _socket;

    /// <summary>Opens a socket.</summary>
    /// <param name="networkNamespace">The network namespace:
    /// a descriptor of it, or a pidfd of a process in it; null for the caller's.</param>
    /// <exception cref="LinuxException"><c>EPERM</c>: no <c>CAP_SYS_ADMIN</c> over that network namespace.
    /// <c>EPROTONOSUPPORT</c>: the kernel has no nf_tables.</exception>
    public static NftSocket Open(LinuxHandle? networkNamespace = null) =>
        new(NetlinkSocket.Open(NetlinkProtocol.Netfilter, networkNamespace));

    /// <summary>Makes all changes of a batch, or none. The batch can be used once.</summary>
    /// <exception cref="NetlinkException">A change was refused: the exception names the first one. None was made.</exception>
    public void Execute(NftBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        if (batch.Count == 0)
            return;
        batch.End();
        Span<byte> messages = batch.Writer.Raw;
        uint first = _socket.Number(messages, batch.Count);
        _socket.Send(messages, "carry out", "a batch");
        long deadline = _socket.Deadline();
        NetlinkException? failure = null;
        bool done = false;
        while (!done)
        {
            ReadOnlySpan<byte> datagram;
            try
            {
                datagram = _socket.Receive("carry out", "a batch");
            }
            catch (NetlinkException e) when (e.Errno is Errno.ENOBUFS or Errno.ETIMEDOUT && failure is not null)
            {
                // Thousands of changes were refused, more than the socket keeps: the first of them was told.
                throw failure;
            }

            while (!datagram.IsEmpty)
            {
                ReadOnlySpan<byte> message = NetlinkSocket.Next(ref datagram);
                uint index = NetlinkSocket.SequenceOf(message) - first;
                if (NetlinkSocket.TypeOf(message) != NetlinkAbi.NLMSG_ERROR || index > batch.Count + 1)
                    continue;
                failure ??= Failure(batch, (int)index, message, messages);
                // The last change is acknowledged whatever comes of it; what is about the frame is about all.
                done |= index == batch.Count || index == 0 || index == batch.Count + 1;
            }

            NetlinkSocket.CheckDeadline(deadline, "carry out", "a batch");
        }

        if (failure is not null)
            throw failure;
    }

    /// <summary>Reads everything, as it was at one moment: where somebody changes it meanwhile, it is read again.</summary>
    /// <param name="family">Of this family only; null for all.</param>
    /// <exception cref="NetlinkException"><c>EINTR</c>: it changed too often.</exception>
    public NftRuleset ReadRuleset(NftFamily? family = null)
    {
        for (int attempt = 0; attempt < MaxAttempts; attempt++)
        {
            uint generation = ReadGeneration();
            NftRuleset? read = null;
            try
            {
                read = ReadOnce(family);
            }
            catch (NetlinkException e) when (e.Errno is Errno.ENOENT or Errno.EINTR)
            {
                // a set that was listed is gone, or a list changed while it was read
            }

            if (read is not null && ReadGeneration() == generation)
                return read;
        }

        throw new NetlinkException("read", "the rules", "NFT_MSG_GETRULE", Errno.EINTR,
            remedy: $"They changed while they were read, {MaxAttempts} times in a row.");
    }

    /// <summary>The number of the ruleset's generation: each transaction that changes it makes another one.</summary>
    private uint ReadGeneration()
    {
        var found = new List<uint>();
        Begin(NfTables.NFT_MSG_GETGEN, null);
        _writer.End();
        _socket.Execute(_writer, "read", "the generation of the rules", found, static (_, payload, generations) =>
        {
            AttributeReader reader = Attributes(payload);
            while (reader.MoveNext())
            {
                if (reader.Type == NfTables.NFTA_GEN_ID)
                    generations.Add(reader.BigEndianUInt32);
            }
        });
        return found.Count > 0 ? found[0] : throw NetlinkException.Malformed("The answer to a request for the generation has none in it.");
    }

    private NftRuleset ReadOnce(NftFamily? family)
    {
        ImmutableArray<NftTable> tables = ReadTables(family);
        ImmutableArray<NftChain> chains = Dump(NfTables.NFT_MSG_GETCHAIN, family, "the chains", static (f, r) => NftChain.Read(f, r));
        ImmutableArray<NftRule> rules = Dump(NfTables.NFT_MSG_GETRULE, family, "the rules", static (f, r) => NftRule.Read(f, r));
        ImmutableArray<NftSet> sets = Dump(NfTables.NFT_MSG_GETSET, family, "the sets", static (f, r) => NftSet.Read(f, r));
        ImmutableArray<NftStateful> objects = [.. Dump(NfTables.NFT_MSG_GETOBJ, family, "the objects",
            static (f, r) => NftStateful.Read(f, r)).OfType<NftStateful>()];
        return new NftRuleset(
        [
            .. tables.Select(t => new NftTableContent
            {
                Table = t,
                Chains = [.. chains.Where(c => IsIn(c, t))
                    .Select(c => (c, rules.Where(r => IsIn(r, t) && r.Chain == c.Name).ToImmutableArray()))],
                Sets = [.. sets.Where(s => IsIn(s, t)).Select(s => (s, ReadElements(s)))],
                Objects = [.. objects.Where(o => IsIn(o, t))],
            }),
        ]);
    }

    /// <summary>Reads the tables.</summary>
    public ImmutableArray<NftTable> ReadTables(NftFamily? family = null) =>
        Dump(NfTables.NFT_MSG_GETTABLE, family, "the tables", static (f, r) => NftTable.Read(f, r));

    /// <summary>Reads the rules of a table; none where there is no such table. Elements of sets are not read.</summary>
    public ImmutableArray<NftRule> ReadRules(NftTable table)
    {
        ArgumentNullException.ThrowIfNull(table);
        var found = ImmutableArray.CreateBuilder<NftRule>();
        Begin(NfTables.NFT_MSG_GETRULE, table.Family);
        _writer.PutText(NfTables.NFTA_RULE_TABLE, table.Table);
        _writer.End();
        _socket.Dump(_writer, "read", "the rules", found, static rules => rules.Clear(), static (_, payload, rules) =>
            rules.Add(NftRule.Read(FamilyOf(payload), Attributes(payload))));
        return found.DrainToImmutable();
    }

    /// <summary>Reads a table with all that is in it; null where there is none.</summary>
    public NftTableContent? ReadTable(NftFamily family, string name) =>
        ReadRuleset(family).Tables.FirstOrDefault(t => t.Table.Table == name);

    /// <summary>Reads the elements of a set, sorted by key.</summary>
    /// <exception cref="NetlinkException"><c>ENOENT</c>: there is no such set.</exception>
    public ImmutableArray<NftElement> ReadElements(NftSet set)
    {
        ArgumentNullException.ThrowIfNull(set);
        var elements = new List<(NftElement Element, bool IsEnd)>();
        Begin(NfTables.NFT_MSG_GETSETELEM, set.Family);
        _writer.PutText(NfTables.NFTA_SET_ELEM_LIST_TABLE, set.Table);
        _writer.PutText(NfTables.NFTA_SET_ELEM_LIST_SET, set.Name);
        _writer.End();
        _socket.Dump(_writer, "read", "the elements of " + set.Subject, elements, static found => found.Clear(),
            static (_, payload, found) =>
            {
                AttributeReader reader = Attributes(payload);
                while (reader.MoveNext())
                {
                    if (reader.Type == NfTables.NFTA_SET_ELEM_LIST_ELEMENTS)
                        NftElement.Read(reader.Nested, found);
                }
            });
        return NftElement.Join(set, elements);
    }

    /// <summary>Reads the counters and quotas that have names.</summary>
    public ImmutableArray<NftStateful> ReadObjects(NftFamily? family = null) =>
        [.. Dump(NfTables.NFT_MSG_GETOBJ, family, "the objects", static (f, r) => NftStateful.Read(f, r)).OfType<NftStateful>()];

    /// <summary>Closes the socket.</summary>
    public void Dispose() => _socket.Dispose();

    internal static AttributeReader Attributes(ReadOnlySpan<byte> payload) =>
        payload.Length >= 4
            ? new AttributeReader(payload[4..])
            : throw NetlinkException.Malformed($"A message of nf_tables has {payload.Length} bytes.");

    internal static NftFamily FamilyOf(ReadOnlySpan<byte> payload) => payload.Length >= 4
        ? (NftFamily)payload[0]
        : throw NetlinkException.Malformed($"A message of nf_tables has {payload.Length} bytes.");

    private static bool IsIn(NftObject found, NftTable table) => found.Family == table.Family && found.Table == table.Table;

    private delegate T Reader<out T>(NftFamily family, AttributeReader reader);

    private ImmutableArray<T> Dump<T>(ushort type, NftFamily? family, string subject, Reader<T> read)
    {
        var found = ImmutableArray.CreateBuilder<T>();
        Begin(type, family);
        _writer.End();
        _socket.Dump(_writer, "read", subject, (found, read), static state => state.found.Clear(),
            static (_, payload, state) => state.found.Add(state.read(FamilyOf(payload), Attributes(payload))));
        return found.DrainToImmutable();
    }

    private void Begin(ushort type, NftFamily? family)
    {
        _writer.Clear();
        _writer.BeginNetfilter(Nfnetlink.NFNL_SUBSYS_NFTABLES, type, 0, (byte)(family ?? 0));
    }

    private static NetlinkException? Failure(NftBatch batch, int index, ReadOnlySpan<byte> message, ReadOnlySpan<byte> messages)
    {
        ReadOnlySpan<byte> payload = message[NetlinkWriter.HeaderLength..];
        if (ExtendedAck.ReadErrno(payload) == Errno.None)
            return null;
        ReadOnlySpan<byte> request = messages;
        for (int i = 0; i < index; i++)
            NetlinkSocket.Next(ref request);
        request = request[..NetlinkSocket.LengthAt(request, 0)];
        (Errno errno, ExtendedAck ack) = ExtendedAck.Read(payload, NetlinkSocket.FlagsOf(message), request, NetlinkProtocol.Netfilter);
        ushort type = NetlinkSocket.TypeOf(request);
        (string action, string subject) = batch.Describe(index - 1);
        string? hint = NetlinkHints.Of(NetlinkProtocol.Netfilter, type, errno, ack);
        return new NetlinkException(action, subject, MessageNames.Of(NetlinkProtocol.Netfilter, type), errno, ack,
            hint is null ? "Nothing of the batch was done." : hint + " Nothing of the batch was done.");
    }
}
