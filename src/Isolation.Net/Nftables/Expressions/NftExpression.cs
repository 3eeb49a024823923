using System.Collections.Immutable;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables.Expressions;

/// <summary>One step of a rule, as the kernel runs it: loads something into a register, compares it,
/// or does something with the packet.</summary>
/// <remarks>Rules are most easily made with the methods of <see cref="NftRule"/>, which add these.</remarks>
public abstract record NftExpression
{
    private protected NftExpression()
    {
    }

    /// <summary>The kernel's name: <c>payload</c>.</summary>
    internal abstract string Name { get; }

    internal abstract void Write(NetlinkWriter writer);

    internal static void WriteAll(NetlinkWriter writer, ushort type, ImmutableArray<NftExpression> expressions)
    {
        using (writer.Nested(type))
        {
            foreach (NftExpression expression in expressions)
                WriteOne(writer, NfTables.NFTA_LIST_ELEM, expression);
        }
    }

    internal static void WriteOne(NetlinkWriter writer, ushort type, NftExpression expression)
    {
        using (writer.Nested(type))
        {
            writer.PutText(NfTables.NFTA_EXPR_NAME, expression.Name);
            using (writer.Nested(NfTables.NFTA_EXPR_DATA))
                expression.Write(writer);
        }
    }

    internal static ImmutableArray<NftExpression> ReadAll(AttributeReader list)
    {
        var expressions = ImmutableArray.CreateBuilder<NftExpression>();
        while (list.MoveNext())
            expressions.Add(ReadOne(list.Nested));
        return expressions.ToImmutable();
    }

    internal static NftExpression ReadOne(AttributeReader reader)
    {
        string name = "";
        ReadOnlySpan<byte> data = [];
        while (reader.MoveNext())
        {
            if (reader.Type == NfTables.NFTA_EXPR_NAME)
                name = reader.Text;
            else if (reader.Type == NfTables.NFTA_EXPR_DATA)
                data = reader.Value;
        }

        return Read(name, data);
    }

    private static NftExpression Read(string name, ReadOnlySpan<byte> data)
    {
        var reader = new AttributeReader(data);
        return name switch
        {
            "payload" => PayloadExpression.Read(reader, data),
            "meta" => MetaExpression.Read(reader),
            "ct" => CtExpression.Read(reader),
            "cmp" => CmpExpression.Read(reader),
            "byteorder" => ByteorderExpression.Read(reader),
            "range" => RangeExpression.Read(reader),
            "bitwise" => BitwiseExpression.Read(reader, data),
            "lookup" => LookupExpression.Read(reader),
            "immediate" => ImmediateExpression.Read(reader),
            "counter" => CounterExpression.Read(reader),
            "limit" => LimitExpression.Read(reader),
            "quota" => QuotaExpression.Read(reader),
            "log" => LogExpression.Read(reader),
            "reject" => RejectExpression.Read(reader),
            "nat" => NatExpression.Read(reader),
            "masq" => MasqueradeExpression.Read(reader),
            "redir" => RedirectExpression.Read(reader),
            "socket" => SocketExpression.Read(reader),
            "fib" => FibExpression.Read(reader),
            "objref" => ObjectExpression.Read(reader, data),
            _ => new UnknownExpression(name, new NftData(data)),
        };
    }

    private protected static void PutData(NetlinkWriter writer, ushort type, NftData data)
    {
        using (writer.Nested(type))
            writer.Put(NfTables.NFTA_DATA_VALUE, data.Bytes);
    }

    private protected static NftData ReadData(AttributeReader nested)
    {
        while (nested.MoveNext())
        {
            if (nested.Type == NfTables.NFTA_DATA_VALUE)
                return new NftData(nested.Value);
        }

        return default;
    }
}
