using System.Buffers.Binary;
using System.Collections.Immutable;
using Isolation.Linux.Abi;

namespace Isolation.Net;

/// <summary>What becomes of a packet: <c>TC_ACT_*</c>.</summary>
public enum TcVerdict
{
    /// <summary>The next filter is asked: <c>continue</c>.</summary>
    Unspecified = -1,

    /// <summary>It goes on: <c>pass</c>.</summary>
    Ok = 0,

    /// <summary>The filters are asked from the beginning.</summary>
    Reclassify = 1,

    /// <summary>It is dropped.</summary>
    Drop = 2,

    /// <summary>The next action of the filter follows.</summary>
    Pipe = 3,

    /// <summary>It is taken away by the action.</summary>
    Stolen = 4,
}

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

/// <summary>An action that this library does not know, as read.</summary>
/// <param name="Name">Its kind.</param>
public sealed record UnknownAction(string Name) : TcAction(TcVerdict.Unspecified)
{
    internal override string Kind => Name;

    internal override void WriteOptions(NetlinkWriter writer) => throw new ArgumentException($"The action \"{Name}\" can only be read.");
}

/// <summary>Drops, passes, or goes on: <c>action drop</c>, <c>action pass</c>. See tc-actions(8).</summary>
/// <param name="Verdict">Which.</param>
public sealed record GactAction(TcVerdict Verdict) : TcAction(Verdict)
{
    internal override string Kind => "gact";

    internal override void WriteOptions(NetlinkWriter writer)
    {
        Span<byte> parameters = stackalloc byte[Generic];
        FillGeneric(parameters);
        writer.Put(PktCls.TCA_GACT_PARMS, parameters);
    }

    internal static GactAction Read(AttributeReader options) => new(VerdictOf(Find(options, PktCls.TCA_GACT_PARMS, Generic)));
}

/// <summary>Sends a packet, or a copy, to another link: <c>action mirred egress redirect dev LINK</c>. See tc-mirred(8).</summary>
/// <param name="LinkIndex">The other link.</param>
/// <param name="Mirror">Whether a copy is sent, and the packet goes on.</param>
/// <param name="Ingress">Whether it comes in there, in the place of going out.</param>
public sealed record MirredAction(int LinkIndex, bool Mirror = false, bool Ingress = false)
    : TcAction(Mirror ? TcVerdict.Pipe : TcVerdict.Stolen)
{
    internal override string Kind => "mirred";

    internal override void WriteOptions(NetlinkWriter writer)
    {
        // struct tc_mirred { generic; int eaction; u32 ifindex; }
        Span<byte> parameters = stackalloc byte[Generic + 8];
        FillGeneric(parameters);
        int action = (Ingress, Mirror) switch
        {
            (false, false) => PktCls.TCA_EGRESS_REDIR,
            (false, true) => PktCls.TCA_EGRESS_MIRROR,
            (true, false) => PktCls.TCA_INGRESS_REDIR,
            (true, true) => PktCls.TCA_INGRESS_MIRROR,
        };
        BinaryPrimitives.WriteInt32LittleEndian(parameters[Generic..], action);
        BinaryPrimitives.WriteInt32LittleEndian(parameters[(Generic + 4)..], LinkIndex);
        writer.Put(PktCls.TCA_MIRRED_PARMS, parameters);
    }

    internal static MirredAction Read(AttributeReader options)
    {
        ReadOnlySpan<byte> parameters = Find(options, PktCls.TCA_MIRRED_PARMS, Generic + 8);
        int action = BinaryPrimitives.ReadInt32LittleEndian(parameters[Generic..]);
        return new MirredAction(BinaryPrimitives.ReadInt32LittleEndian(parameters[(Generic + 4)..]),
            action is PktCls.TCA_EGRESS_MIRROR or PktCls.TCA_INGRESS_MIRROR,
            action is PktCls.TCA_INGRESS_REDIR or PktCls.TCA_INGRESS_MIRROR)
        { Verdict = VerdictOf(parameters) };
    }
}

/// <summary>Changes what goes with a packet: <c>action skbedit</c>. See tc-skbedit(8). Null leaves a value.</summary>
public sealed record SkbeditAction() : TcAction(TcVerdict.Pipe)
{
    /// <summary>Its priority: the class that it is queued in.</summary>
    public uint? Priority { get; init; }

    /// <summary>Its mark.</summary>
    public uint? Mark { get; init; }

    /// <summary>The queue of the link that it goes to.</summary>
    public ushort? QueueMapping { get; init; }

    internal override string Kind => "skbedit";

    internal override void WriteOptions(NetlinkWriter writer)
    {
        Span<byte> parameters = stackalloc byte[Generic];
        FillGeneric(parameters);
        writer.Put(PktCls.TCA_SKBEDIT_PARMS, parameters);
        if (Priority is { } priority)
            writer.PutUInt32(PktCls.TCA_SKBEDIT_PRIORITY, priority);
        if (Mark is { } mark)
            writer.PutUInt32(PktCls.TCA_SKBEDIT_MARK, mark);
        if (QueueMapping is { } queue)
            writer.PutUInt16(PktCls.TCA_SKBEDIT_QUEUE_MAPPING, queue);
    }

    internal static SkbeditAction Read(AttributeReader options)
    {
        var action = new SkbeditAction();
        while (options.MoveNext())
        {
            action = options.Type switch
            {
                PktCls.TCA_SKBEDIT_PARMS => action with { Verdict = VerdictOf(options.Struct(Generic)) },
                PktCls.TCA_SKBEDIT_PRIORITY => action with { Priority = options.UInt32 },
                PktCls.TCA_SKBEDIT_MARK => action with { Mark = options.UInt32 },
                PktCls.TCA_SKBEDIT_QUEUE_MAPPING => action with { QueueMapping = options.UInt16 },
                _ => action,
            };
        }

        return action;
    }
}

/// <summary>Lets packets through at a rate, and does something else with the rest:
/// <c>action police rate RATE burst BYTES</c>. See tc-police(8).</summary>
/// <param name="Rate">The rate.</param>
/// <param name="Burst">How many bytes may come at once after a pause.
/// Read back, it is what the kernel's clock of 64 ns makes of it.</param>
/// <param name="Exceed">What becomes of packets above the rate.</param>
public sealed record PoliceAction(BitRate Rate, uint Burst, TcVerdict Exceed = TcVerdict.Drop) : TcAction(Exceed)
{
    private const int ParametersLength = 56;
    private const uint DefaultMtu = 2047;

    /// <summary>What becomes of packets within the rate.</summary>
    public TcVerdict Conform { get; init; } = TcVerdict.Ok;

    /// <summary>The longest packet that is within the rate at all, in bytes.
    /// Offloaded packets of 64 KiB want more than the default.</summary>
    public uint Mtu { get; init; } = DefaultMtu;

    internal override string Kind => "police";

    // struct tc_police { u32 index; int action; u32 limit, burst, mtu; tc_ratespec rate, peakrate; int refcnt, bindcnt; u32 capab; }
    internal override void WriteOptions(NetlinkWriter writer)
    {
        Span<byte> parameters = stackalloc byte[ParametersLength];
        parameters.Clear();
        int cellLog = PacketScheduler.CellLog((int)Math.Min(Mtu, int.MaxValue));
        BinaryPrimitives.WriteInt32LittleEndian(parameters[4..], (int)Verdict);
        BinaryPrimitives.WriteUInt32LittleEndian(parameters[12..], PacketScheduler.Ticks(Burst, Rate.BytesPerSecond));
        BinaryPrimitives.WriteUInt32LittleEndian(parameters[16..], Mtu);
        PacketScheduler.WriteRate(parameters[20..], Rate, cellLog);
        writer.Put(PktCls.TCA_POLICE_TBF, parameters);
        writer.Put(PktCls.TCA_POLICE_RATE, PacketScheduler.RateTable(Rate, cellLog));
        writer.PutInt32(PktCls.TCA_POLICE_RESULT, (int)Conform);
        if (PacketScheduler.IsWide(Rate))
            writer.PutUInt64(PktCls.TCA_POLICE_RATE64, Rate.BytesPerSecond);
    }

    internal static PoliceAction Read(AttributeReader options)
    {
        ReadOnlySpan<byte> parameters = [];
        TcVerdict conform = TcVerdict.Ok;
        ulong? wide = null;
        while (options.MoveNext())
        {
            switch (options.Type)
            {
                case PktCls.TCA_POLICE_TBF:
                    parameters = options.Struct(ParametersLength);
                    break;
                case PktCls.TCA_POLICE_RESULT:
                    conform = (TcVerdict)options.Int32;
                    break;
                case PktCls.TCA_POLICE_RATE64:
                    wide = options.UInt64;
                    break;
            }
        }

        if (parameters.IsEmpty)
            throw NetlinkException.Malformed("A police action has no TCA_POLICE_TBF.");
        BitRate rate = PacketScheduler.ReadRate(parameters[20..], wide) ?? throw NetlinkException.Malformed("A police action has no rate.");
        return new PoliceAction(rate,
            (uint)PacketScheduler.Bytes(BinaryPrimitives.ReadUInt32LittleEndian(parameters[12..]), rate.BytesPerSecond),
            (TcVerdict)BinaryPrimitives.ReadInt32LittleEndian(parameters[4..]))
        { Conform = conform, Mtu = BinaryPrimitives.ReadUInt32LittleEndian(parameters[16..]) };
    }
}
