using System.Collections.Immutable;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.TrafficControl;

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
