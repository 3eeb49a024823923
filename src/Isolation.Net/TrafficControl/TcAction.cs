using System.Buffers.Binary;
using System.Collections.Immutable;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.TrafficControl;

/// <summary>What a filter does with a packet that it matches: <c>tc ... action</c>.</summary>
/// <param name="Verdict">What becomes of the packet then.</param>
public abstract record TcAction(TcVerdict Verdict)
{
    private const int GenericLength = 20;

    internal abstract string Kind { get; }

    internal abstract void WriteOptions(NetlinkWriter writer);

    internal static void WriteAll(NetlinkWriter writer, ushort type, ImmutableArray<TcAction> actions)
    {
        if (actions.IsEmpty)
            return;
        using (writer.Nested(type))
        {
            for (int i = 0; i < actions.Length; i++)
            {
                using (writer.Nested((ushort)(i + 1)))
                {
                    writer.PutText(PktCls.TCA_ACT_KIND, actions[i].Kind);
                    using (writer.Nested(PktCls.TCA_ACT_OPTIONS))
                        actions[i].WriteOptions(writer);
                }
            }
        }
    }

    internal static ImmutableArray<TcAction> ReadAll(AttributeReader list)
    {
        var actions = ImmutableArray.CreateBuilder<TcAction>();
        while (list.MoveNext())
        {
            string kind = "";
            AttributeReader options = default, reader = list.Nested;
            while (reader.MoveNext())
            {
                if (reader.Type == PktCls.TCA_ACT_KIND)
                    kind = reader.Text;
                else if (reader.Type == PktCls.TCA_ACT_OPTIONS)
                    options = reader.Nested;
            }

            actions.Add(kind switch
            {
                "gact" => GactAction.Read(options),
                "mirred" => MirredAction.Read(options),
                "skbedit" => SkbeditAction.Read(options),
                "police" => PoliceAction.Read(options),
                _ => new UnknownAction(kind),
            });
        }

        return actions.ToImmutable();
    }

    // struct { u32 index, capab; int action, refcnt, bindcnt; }, which most actions begin with
    private protected void FillGeneric(Span<byte> parameters)
    {
        parameters.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(parameters[8..], (int)Verdict);
    }

    private protected static ReadOnlySpan<byte> Find(AttributeReader options, ushort type, int length)
    {
        while (options.MoveNext())
        {
            if (options.Type == type)
                return options.Struct(length);
        }

        throw NetlinkException.Malformed($"An action has no attribute {type}.");
    }

    private protected static TcVerdict VerdictOf(ReadOnlySpan<byte> parameters) =>
        (TcVerdict)BinaryPrimitives.ReadInt32LittleEndian(parameters[8..]);

    private protected static int Generic => GenericLength;
}
