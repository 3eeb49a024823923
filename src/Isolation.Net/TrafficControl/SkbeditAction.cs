using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.TrafficControl;

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
