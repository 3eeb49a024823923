using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Isolation.Linux.Abi;

namespace Isolation.Cgroups;

/// <summary>Device rules compiled to an eBPF program of type <c>BPF_PROG_TYPE_CGROUP_DEVICE</c>: 1
/// allows, 0 denies with <c>EPERM</c>.</summary>
/// <remarks>The kernel asks with a <c>struct bpf_cgroup_dev_ctx</c>: access in the high 16 bits of the first word, the device's kind in the
/// low ones, then major and minor. Rules are tried from the last to the first. A rule that allows decides where it covers the whole access;
/// one that denies where it covers any of it.</remarks>
public sealed class DeviceProgram
{
    // r2 kind, r3 access, r4 major, r5 minor, r1 scratch once the context is read.
    private const int Kind = 2, Access = 3, Major = 4, Minor = 5;

    private readonly List<Instruction> _code = [];

    private DeviceProgram(ImmutableArray<DeviceRule> rules) => Rules = rules;

    private readonly record struct Instruction(byte Code, int Destination, int Source, short Offset, int Immediate);

    /// <summary>The rules.</summary>
    public ImmutableArray<DeviceRule> Rules { get; }

    /// <summary>How many instructions it has.</summary>
    public int Length => _code.Count;

    /// <summary>Compiles rules. What no rule is about is denied.</summary>
    /// <exception cref="ArgumentException">More than 400 rules.</exception>
    public static DeviceProgram Compile(params IEnumerable<DeviceRule> rules)
    {
        var program = new DeviceProgram([.. rules]);
        // The kernel takes 4,096 instructions from those without CAP_BPF; a rule takes at most eight.
        if (program.Rules.Length > 400)
            throw new ArgumentException($"There are {program.Rules.Length} rules; a program may have 400.", nameof(rules));
        program.Emit();
        return program;
    }

    /// <summary>What the rules say of a use of a device: the same as the program, by the rules themselves.</summary>
    public bool Allows(DeviceKind kind, uint major, uint minor, DeviceAccess access)
    {
        foreach (DeviceRule rule in Rules.Reverse())
        {
            if (rule.IsAbout(kind, major, minor, access) && (!rule.Allow || (rule.Access & access) == access))
                return rule.Allow;
        }

        return false;
    }

    /// <summary>The program as the kernel takes it, 8 bytes an instruction.</summary>
    public byte[] ToBytes()
    {
        var bytes = new byte[_code.Count * 8];
        for (int i = 0; i < _code.Count; i++)
        {
            Span<byte> at = bytes.AsSpan(i * 8);
            at[0] = _code[i].Code;
            at[1] = (byte)(_code[i].Destination | (_code[i].Source << 4));
            BinaryPrimitives.WriteInt16LittleEndian(at[2..], _code[i].Offset);
            BinaryPrimitives.WriteInt32LittleEndian(at[4..], _code[i].Immediate);
        }

        return bytes;
    }

    /// <summary>Has the kernel check and compile it.</summary>
    internal LoadedDeviceProgram Load(string subject) => new(this, subject);

    /// <summary>The instructions, one a line, as the kernel's verifier writes them.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        for (int i = 0; i < _code.Count; i++)
            text.Append(CultureInfo.InvariantCulture, $"{i,3}: {Print(_code[i])}\n");
        return text.ToString();
    }

    /// <summary>Runs the program here, as the kernel would.</summary>
    internal bool Run(DeviceKind kind, uint major, uint minor, DeviceAccess access)
    {
        var registers = new uint[10];
        uint[] context =
        [
            ((uint)access << 16) | (kind == DeviceKind.Block ? Bpf.BPF_DEVCG_DEV_BLOCK : Bpf.BPF_DEVCG_DEV_CHAR), major, minor
        ];
        for (int i = 0; ; i++)
        {
            Instruction n = _code[i];
            uint operand = (n.Code & Bpf.BPF_X) != 0 ? registers[n.Source] : (uint)n.Immediate;
            switch (n.Code & 7)
            {
                case Bpf.BPF_LDX:
                    registers[n.Destination] = context[n.Offset / 4];
                    break;
                case Bpf.BPF_JMP:
                    return registers[0] != 0; // exit
                case Bpf.BPF_JMP32:
                    i += registers[n.Destination] == operand == ((n.Code & 0xf0) == Bpf.BPF_JEQ) ? n.Offset : 0;
                    break;
                default:
                    registers[n.Destination] = (n.Code & 0xf0) switch
                    {
                        Bpf.BPF_MOV => operand,
                        Bpf.BPF_AND => registers[n.Destination] & operand,
                        _ => registers[n.Destination] >> (int)operand,
                    };
                    break;
            }
        }
    }

    private void Emit()
    {
        Add(Bpf.BPF_LDX | Bpf.BPF_MEM | Bpf.BPF_W, Kind, 1, 0, 0);
        Add(Bpf.BPF_ALU | Bpf.BPF_MOV | Bpf.BPF_X, Access, Kind, 0, 0);
        Add(Bpf.BPF_ALU | Bpf.BPF_AND | Bpf.BPF_K, Kind, 0, 0, 0xffff);
        Add(Bpf.BPF_ALU | Bpf.BPF_RSH | Bpf.BPF_K, Access, 0, 0, 16);
        Add(Bpf.BPF_LDX | Bpf.BPF_MEM | Bpf.BPF_W, Major, 1, 4, 0);
        Add(Bpf.BPF_LDX | Bpf.BPF_MEM | Bpf.BPF_W, Minor, 1, 8, 0);
        foreach (DeviceRule rule in Rules.Reverse())
        {
            if (Emit(rule))
                return; // it decides on everything: what is before it never counts
        }

        Return(false);
    }

    /// <summary>Emits one rule; true where it is about everything.</summary>
    private bool Emit(DeviceRule rule)
    {
        int start = _code.Count;
        if (rule.Kind != DeviceKind.All)
            Add(Bpf.BPF_JMP32 | Bpf.BPF_JNE | Bpf.BPF_K, Kind, 0, 0,
                (int)(rule.Kind == DeviceKind.Block ? Bpf.BPF_DEVCG_DEV_BLOCK : Bpf.BPF_DEVCG_DEV_CHAR));
        if (rule.Access != DeviceAccess.All)
        {
            Add(Bpf.BPF_ALU | Bpf.BPF_MOV | Bpf.BPF_X, 1, Access, 0, 0);
            Add(Bpf.BPF_ALU | Bpf.BPF_AND | Bpf.BPF_K, 1, 0, 0, (int)rule.Access);
            // To allow, it must be about all of the access; to deny, about any of it.
            if (rule.Allow)
                Add(Bpf.BPF_JMP32 | Bpf.BPF_JNE | Bpf.BPF_X, 1, Access, 0, 0);
            else
                Add(Bpf.BPF_JMP32 | Bpf.BPF_JEQ | Bpf.BPF_K, 1, 0, 0, 0);
        }

        if (rule.Major is { } major)
            Add(Bpf.BPF_JMP32 | Bpf.BPF_JNE | Bpf.BPF_K, Major, 0, 0, unchecked((int)major));
        if (rule.Minor is { } minor)
            Add(Bpf.BPF_JMP32 | Bpf.BPF_JNE | Bpf.BPF_K, Minor, 0, 0, unchecked((int)minor));
        Return(rule.Allow);
        // Every jump of the rule leads behind it.
        for (int i = start; i < _code.Count; i++)
        {
            if ((_code[i].Code & 7) == Bpf.BPF_JMP32)
                _code[i] = _code[i] with { Offset = (short)(_code.Count - i - 1) };
        }

        return _code.Count - start == 2;
    }

    private void Return(bool allow)
    {
        Add(Bpf.BPF_ALU64 | Bpf.BPF_MOV | Bpf.BPF_K, 0, 0, 0, allow ? 1 : 0);
        Add(Bpf.BPF_JMP | Bpf.BPF_EXIT, 0, 0, 0, 0);
    }

    private void Add(int code, int destination, int source, short offset, int immediate) =>
        _code.Add(new Instruction((byte)code, destination, source, offset, immediate));

    private static string Print(Instruction n)
    {
        string operand = (n.Code & Bpf.BPF_X) != 0 ? $"w{n.Source}" : string.Create(CultureInfo.InvariantCulture, $"{n.Immediate}");
        return (n.Code & 7) switch
        {
            Bpf.BPF_LDX => $"r{n.Destination} = *(u32 *)(r{n.Source} +{n.Offset})",
            Bpf.BPF_JMP => "exit",
            Bpf.BPF_JMP32 => $"if w{n.Destination} {((n.Code & 0xf0) == Bpf.BPF_JEQ ? "==" : "!=")} {operand} goto pc+{n.Offset}",
            Bpf.BPF_ALU64 => $"r{n.Destination} = {n.Immediate}",
            _ => $"w{n.Destination} {(n.Code & 0xf0) switch { Bpf.BPF_AND => "&=", Bpf.BPF_RSH => ">>=", _ => "=" }} {operand}",
        };
    }
}
