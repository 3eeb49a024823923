using System.Collections.Immutable;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;
using Isolation.Net.Nftables.Expressions;

namespace Isolation.Net.Nftables;

public sealed partial record NftSet
{
    internal static NftSet Read(NftFamily family, AttributeReader reader)
    {
        var set = new NftSet(family, "", "");
        uint flags = 0, keyType = 0, keyLength = 0, dataType = 0, dataLength = 0;
        byte[] userData = [];
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case NfTables.NFTA_SET_FLAGS:
                    flags = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_SET_KEY_TYPE:
                    keyType = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_SET_KEY_LEN:
                    keyLength = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_SET_DATA_TYPE:
                    dataType = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_SET_DATA_LEN:
                    dataLength = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_SET_USERDATA:
                    userData = reader.Value.ToArray();
                    break;
                default:
                    set = set.WithRead(reader);
                    break;
            }
        }

        return set.WithFlags(flags).WithTypes((keyType, keyLength), (dataType, dataLength), (flags & NfTables.NFT_SET_MAP) != 0, userData);
    }

    /// <summary>This set with one attribute more.</summary>
    private NftSet WithRead(AttributeReader reader) => reader.Type switch
    {
        NfTables.NFTA_SET_TABLE => this with { Table = reader.Text },
        NfTables.NFTA_SET_NAME => this with { Name = reader.Text },
        NfTables.NFTA_SET_HANDLE => this with { Handle = reader.BigEndianUInt64 },
        NfTables.NFTA_SET_TIMEOUT => this with { Timeout = NonZero(reader.BigEndianMilliseconds) },
        NfTables.NFTA_SET_GC_INTERVAL =>
            this with { GarbageCollectionInterval = NonZero(TimeSpan.FromMilliseconds(reader.BigEndianUInt32)) },
        NfTables.NFTA_SET_POLICY => this with { Policy = (NftSetPolicy)reader.BigEndianUInt32 },
        NfTables.NFTA_SET_OBJ_TYPE => this with { ObjectKind = (NftStatefulKind)reader.BigEndianUInt32 },
        NfTables.NFTA_SET_DESC => this with { Size = ReadSize(reader.Nested) },
        NfTables.NFTA_SET_EXPR => this with { Expressions = [NftExpression.ReadOne(reader.Nested)] },
        NfTables.NFTA_SET_EXPRESSIONS => this with { Expressions = NftExpression.ReadAll(reader.Nested) },
        _ => this,
    };

    private NftSet WithFlags(uint flags) => this with
    {
        Interval = (flags & NfTables.NFT_SET_INTERVAL) != 0,
        Constant = (flags & NfTables.NFT_SET_CONSTANT) != 0,
        Dynamic = (flags & NfTables.NFT_SET_EVAL) != 0,
        IsAnonymous = (flags & NfTables.NFT_SET_ANONYMOUS) != 0,
        HasTimeouts = (flags & NfTables.NFT_SET_TIMEOUT) != 0,
    };

    private NftSet WithTypes((uint Id, uint Length) key, (uint Id, uint Length) data, bool isMap, ReadOnlySpan<byte> userData)
    {
        ImmutableArray<NftType> keys = TypesOf(key.Id, key.Length, NftUserData.Find(userData, KeyTypeOf));
        bool intervals = NftUserData.Find(userData, DataInterval) is [not 0, ..];
        return this with
        {
            KeyTypes = keys,
            DataTypes = isMap && data.Id != VerdictDataType ? TypesOf(data.Id, data.Length / (intervals ? 2u : 1), []) : [],
            Verdicts = isMap && data.Id == VerdictDataType,
            IntervalData = intervals,
            AutoMerge = NftUserData.Find(userData, MergeElements) is [not 0, ..],
            Comment = NftUserData.ReadComment(userData, CommentOfSet),
            KeptUserData = new NftData([.. keys[0].TypeOf is null ? Kept(userData, KeyTypeOf) : [], .. Kept(userData, DataTypeOf)]),
        };
    }

    private static byte[] Kept(ReadOnlySpan<byte> userData, byte kind) =>
        NftUserData.Find(userData, kind) is { Length: > 0 } found ? NftUserData.Of(kind, found) : [];

    private static TimeSpan? NonZero(TimeSpan time) => time == TimeSpan.Zero ? null : time;

    private static ImmutableArray<NftType> TypesOf(uint id, uint length, ReadOnlySpan<byte> typeOf)
    {
        var types = new Stack<NftType>();
        for (uint rest = id; rest != 0; rest >>= 6)
            types.Push(NftType.OfId(rest & 0x3f, (int)Math.Min(length, 64), typeOf));
        return types.Count == 0 ? [NftType.Integer((int)Math.Min(length, 64))] : [.. types];
    }

    private static uint? ReadSize(AttributeReader reader)
    {
        while (reader.MoveNext())
        {
            if (reader.Type == NfTables.NFTA_SET_DESC_SIZE)
                return reader.BigEndianUInt32;
        }

        return null;
    }
}
