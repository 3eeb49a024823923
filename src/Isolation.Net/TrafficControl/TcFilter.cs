using System.Buffers.Binary;
using System.Collections.Immutable;
using Isolation.Linux.Abi;

namespace Isolation.Net;

/// <summary>A filter: sorts packets into classes, or does something with them. The kinds have records of their own,
/// such as <see cref="MatchallFilter"/>. <c>tc filter</c>.</summary>
public record TcFilter : TcObject
{
    /// <summary>All protocols: <c>ETH_P_ALL</c>.</summary>
    public const ushort AllProtocols = 3;

    /// <summary>Initialises one, without options.</summary>
    /// <param name="linkIndex">The link.</param>
    /// <param name="parent">The discipline or class that it sorts for.</param>
    /// <param name="kind">Its kind.</param>
    public TcFilter(int linkIndex, TcHandle parent, string kind) : base(linkIndex, kind) => Parent = parent;

    /// <summary>Its place among the others, the lowest first; 0 lets the kernel choose.</summary>
    public ushort Priority { get; init; }

    /// <summary>The protocol of packets that are looked at: <c>ETH_P_*</c>; 0x0800 is IPv4, 0x86dd IPv6.</summary>
    public ushort Protocol { get; init; } = AllProtocols;

    /// <summary>The class that packets go to; none for none.</summary>
    public TcHandle ClassId { get; init; }

    /// <summary>What is done with packets, in order.</summary>
    public ImmutableArray<TcAction> Actions { get; init; } = [];

    internal override ushort NewType => Rtnetlink.RTM_NEWTFILTER;

    internal override string Noun => "filter";

    private protected override uint Info => (uint)Priority << 16 | BinaryPrimitives.ReverseEndianness(Protocol);

    /// <summary>Compares by value, the actions included.</summary>
    public virtual bool Equals(TcFilter? other) => base.Equals(other) && Priority == other.Priority && Protocol == other.Protocol
        && ClassId == other.ClassId && Actions.AsSpan().SequenceEqual(other.Actions.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(base.GetHashCode(), Priority, Protocol, ClassId, Actions.Length);

    private protected override void WriteOptions(NetlinkWriter writer) => writer.Put(Kept);

    private protected void WriteCommon(NetlinkWriter writer, ushort classType, ushort actionType)
    {
        if (ClassId != TcHandle.None)
            writer.PutUInt32(classType, ClassId.Value);
        TcAction.WriteAll(writer, actionType, Actions);
    }

    /// <summary>Reads a filter; null for what the kernel lists beside filters: hash tables, and places without any.</summary>
    internal static TcFilter? Read(ReadOnlySpan<byte> payload)
    {
        var parts = new Parts(payload);
        if (parts.Options.IsEmpty && parts.Handle == TcHandle.None)
            return null;
        TcFilter? filter = parts.Kind switch
        {
            "u32" => U32Filter.ReadOptions(new AttributeReader(parts.Options)),
            "flower" => FlowerFilter.ReadOptions(new AttributeReader(parts.Options)),
            "matchall" => MatchallFilter.ReadOptions(new AttributeReader(parts.Options)),
            "bpf" => BpfFilter.ReadOptions(new AttributeReader(parts.Options)),
            "cgroup" => CgroupFilter.ReadOptions(new AttributeReader(parts.Options)),
            _ => new TcFilter(0, default, parts.Kind) { Kept = parts.Kept },
        };
        return filter is null ? null : filter with
        {
            LinkIndex = parts.LinkIndex,
            Handle = parts.Handle,
            Parent = parts.Parent,
            Priority = (ushort)(parts.Info >> 16),
            Protocol = BinaryPrimitives.ReverseEndianness((ushort)parts.Info),
            Statistics = parts.Statistics,
        };
    }
}

/// <summary>Matches every packet. <c>tc filter add ... matchall action ...</c>; see tc-matchall(8). Since Linux 4.8.</summary>
public sealed record MatchallFilter : TcFilter
{
    /// <summary>Initialises one.</summary>
    public MatchallFilter(int linkIndex, TcHandle parent) : base(linkIndex, parent, "matchall")
    {
    }

    private protected override void WriteOptions(NetlinkWriter writer)
    {
        using (writer.Nested(Rtnetlink.TCA_OPTIONS))
            WriteCommon(writer, PktCls.TCA_MATCHALL_CLASSID, PktCls.TCA_MATCHALL_ACT);
    }

    internal static MatchallFilter ReadOptions(AttributeReader reader)
    {
        var filter = new MatchallFilter(0, default);
        while (reader.MoveNext())
        {
            filter = reader.Type switch
            {
                PktCls.TCA_MATCHALL_CLASSID => filter with { ClassId = new TcHandle(reader.UInt32) },
                PktCls.TCA_MATCHALL_ACT => filter with { Actions = TcAction.ReadAll(reader.Nested) },
                _ => filter,
            };
        }

        return filter;
    }
}

/// <summary>Sorts packets by the class number of the control group that sent them: <c>net_cls.classid</c>.
/// <c>tc filter add ... cgroup</c>; see tc-cgroup(8).</summary>
public sealed record CgroupFilter : TcFilter
{
    /// <summary>Initialises one.</summary>
    public CgroupFilter(int linkIndex, TcHandle parent) : base(linkIndex, parent, "cgroup") => Handle = new TcHandle(1u);

    private protected override void WriteOptions(NetlinkWriter writer)
    {
        using (writer.Nested(Rtnetlink.TCA_OPTIONS))
            TcAction.WriteAll(writer, PktCls.TCA_CGROUP_ACT, Actions);
    }

    internal static CgroupFilter ReadOptions(AttributeReader reader)
    {
        var filter = new CgroupFilter(0, default);
        while (reader.MoveNext())
        {
            if (reader.Type == PktCls.TCA_CGROUP_ACT)
                filter = filter with { Actions = TcAction.ReadAll(reader.Nested) };
        }

        return filter;
    }
}

/// <summary>Asks a BPF program. <c>tc filter add ... bpf direct-action object-pinned PATH</c>; see tc-bpf(8).</summary>
public sealed record BpfFilter : TcFilter
{
    // CLS_BPF_NAME_LEN without the NUL
    private const int MaxName = 255;

    /// <summary>Initialises one.</summary>
    public BpfFilter(int linkIndex, TcHandle parent) : base(linkIndex, parent, "bpf")
    {
    }

    /// <summary>The loaded program, of the type <c>BPF_PROG_TYPE_SCHED_CLS</c>. Never read.</summary>
    public Isolation.Linux.LinuxHandle? Program { get; init; }

    /// <summary>A program of classic BPF, as <c>struct sock_filter</c>s of 8 bytes, in the place of a loaded one.</summary>
    public ImmutableArray<byte> ClassicProgram { get; init; } = [];

    /// <summary>A name for people.</summary>
    public string? Name { get; init; }

    /// <summary>Whether the program itself says what becomes of the packet.</summary>
    public bool DirectAction { get; init; }

    /// <summary>The loaded program's number, as read.</summary>
    public uint? ProgramId { get; init; }

    /// <summary>Compares by value, the program included.</summary>
    public bool Equals(BpfFilter? other) => base.Equals(other) && Equals(Program, other.Program)
        && ClassicProgram.AsSpan().SequenceEqual(other.ClassicProgram.AsSpan())
        && Name == other.Name && DirectAction == other.DirectAction && ProgramId == other.ProgramId;

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(base.GetHashCode(), Name, ClassicProgram.Length);

    private protected override void WriteOptions(NetlinkWriter writer)
    {
        using (writer.Nested(Rtnetlink.TCA_OPTIONS))
        {
            WriteCommon(writer, PktCls.TCA_BPF_CLASSID, PktCls.TCA_BPF_ACT);
            if (!ClassicProgram.IsEmpty)
            {
                writer.PutUInt16(PktCls.TCA_BPF_OPS_LEN, checked((ushort)(ClassicProgram.Length / 8)));
                writer.Put(PktCls.TCA_BPF_OPS, ClassicProgram.AsSpan());
            }

            if (Program is not null)
                writer.PutDescriptor(PktCls.TCA_BPF_FD, Program);
            if (Name is not null)
                writer.PutText(PktCls.TCA_BPF_NAME, Name, MaxName, "Name");
            if (DirectAction)
                writer.PutUInt32(PktCls.TCA_BPF_FLAGS, PktCls.TCA_BPF_FLAG_ACT_DIRECT);
        }
    }

    internal static BpfFilter ReadOptions(AttributeReader reader)
    {
        var filter = new BpfFilter(0, default);
        while (reader.MoveNext())
        {
            filter = reader.Type switch
            {
                PktCls.TCA_BPF_CLASSID => filter with { ClassId = new TcHandle(reader.UInt32) },
                PktCls.TCA_BPF_ACT => filter with { Actions = TcAction.ReadAll(reader.Nested) },
                PktCls.TCA_BPF_OPS => filter with { ClassicProgram = [.. reader.Value] },
                PktCls.TCA_BPF_NAME => filter with { Name = reader.Text },
                PktCls.TCA_BPF_FLAGS => filter with { DirectAction = (reader.UInt32 & PktCls.TCA_BPF_FLAG_ACT_DIRECT) != 0 },
                PktCls.TCA_BPF_ID => filter with { ProgramId = reader.UInt32 },
                _ => filter,
            };
        }

        return filter;
    }
}
