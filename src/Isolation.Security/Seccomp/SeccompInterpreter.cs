namespace Isolation.Security;

/// <summary>Runs a filter program as the kernel does, and refuses what the kernel's checker refuses.</summary>
internal static class SeccompInterpreter
{
    private const ushort ClassMask = 0x07, Alu = 0x04, LoadImmediate = 0x00, LoadXImmediate = 0x01, LoadMemory = 0x60, LoadXMemory = 0x61,
        Store = 0x02, StoreX = 0x03;
    private const ushort LoadLength = 0x80, LoadXLength = 0x81, MoveAToX = 0x07, MoveXToA = 0x87, ReturnA = 0x16,
        JumpX = 0x08, DataLength = 64;

    /// <summary>Checks a program: the operations that seccomp(2) takes, jumps inside it, a return at the end.</summary>
    internal static void Check(ReadOnlySpan<BpfInstruction> program)
    {
        for (int i = 0; i < program.Length; i++)
        {
            BpfInstruction instruction = program[i];
            if (!IsKnown(instruction))
                throw new FormatException($"Instruction {i}, operation 0x{instruction.Code:x}, is none that a filter may have.");
            long farthest = instruction.Code == BpfInstruction.Jump ? instruction.Operand
                : IsConditional(instruction.Code) ? Math.Max(instruction.IfTrue, instruction.IfFalse)
                : 0;
            if (i + 1 + farthest >= program.Length && (farthest > 0 || !IsReturn(instruction.Code)))
                throw new FormatException($"Instruction {i} leads out of the program.");
        }
    }

    internal static SeccompAction Run(ReadOnlySpan<BpfInstruction> program, SeccompCall call, out int executed)
    {
        uint a = 0, x = 0;
        Span<uint> memory = stackalloc uint[16];
        memory.Clear();
        executed = 0;
        for (int at = 0; ; at++)
        {
            BpfInstruction instruction = program[at];
            executed++;
            uint k = instruction.Operand;
            switch (instruction.Code)
            {
                case BpfInstruction.LoadWord: a = Word(call, k); break;
                case LoadImmediate: a = k; break;
                case LoadXImmediate: x = k; break;
                case LoadMemory: a = memory[(int)k]; break;
                case LoadXMemory: x = memory[(int)k]; break;
                case Store: memory[(int)k] = a; break;
                case StoreX: memory[(int)k] = x; break;
                case LoadLength: a = DataLength; break;
                case LoadXLength: x = DataLength; break;
                case MoveAToX: x = a; break;
                case MoveXToA: a = x; break;
                case BpfInstruction.Return: return SeccompAction.FromValue(k);
                case ReturnA: return SeccompAction.FromValue(a);
                case BpfInstruction.Jump: at += (int)k; break;
                default:
                    uint operand = (instruction.Code & JumpX) != 0 ? x : k;
                    // A division by 0 ends the program, which then returns 0.
                    if ((instruction.Code & 0xf7) == 0x34 && operand == 0)
                        return SeccompAction.KillThread;
                    if ((instruction.Code & ClassMask) == Alu)
                        a = Calculate(instruction.Code, a, operand);
                    else
                        at += Holds(instruction.Code, a, operand) ? instruction.IfTrue : instruction.IfFalse;
                    break;
            }
        }
    }

    private static bool IsReturn(ushort code) => code is BpfInstruction.Return or ReturnA;

    private static bool IsConditional(ushort code) => (code & ClassMask) == 5 && code != BpfInstruction.Jump;

    private static bool IsKnown(BpfInstruction instruction) => instruction.Code switch
    {
        BpfInstruction.LoadWord => instruction.Operand < DataLength && instruction.Operand % 4 == 0,
        LoadMemory or LoadXMemory or Store or StoreX => instruction.Operand < 16,
        LoadImmediate or LoadXImmediate or LoadLength or LoadXLength or MoveAToX or MoveXToA or ReturnA or BpfInstruction.Return
            or BpfInstruction.Jump => true,
        _ when (instruction.Code & ClassMask) == Alu => (instruction.Code & 0xf0) switch
        {
            0x30 => (instruction.Code & JumpX) != 0 || instruction.Operand != 0, // a division
            0x60 or 0x70 => (instruction.Code & JumpX) != 0 || instruction.Operand < 32, // shifts
            0x80 => instruction.Code == 0x84,
            <= 0x50 or 0xa0 => instruction.Code <= 0xff,
            _ => false,
        },
        _ => (instruction.Code & ~JumpX) is BpfInstruction.JumpIfEqual or BpfInstruction.JumpIfGreater
            or BpfInstruction.JumpIfGreaterOrEqual or BpfInstruction.JumpIfSet,
    };

    private static uint Calculate(ushort code, uint a, uint operand) => (code & 0xf0) switch
    {
        0x00 => a + operand,
        0x10 => a - operand,
        0x20 => a * operand,
        0x30 => a / operand,
        0x40 => a | operand,
        0x50 => a & operand,
        0x60 => a << (int)operand,
        0x70 => a >> (int)operand,
        0x80 => 0 - a,
        _ => a ^ operand,
    };

    private static bool Holds(ushort code, uint a, uint operand) => (code & ~JumpX) switch
    {
        BpfInstruction.JumpIfEqual => a == operand,
        BpfInstruction.JumpIfGreater => a > operand,
        BpfInstruction.JumpIfGreaterOrEqual => a >= operand,
        _ => (a & operand) != 0,
    };

    private static uint Word(SeccompCall call, uint offset)
    {
        ulong field = offset switch
        {
            < 4 => call.Number,
            < 8 => call.Audit,
            < 16 => call.InstructionPointer,
            _ => call.Arguments[((int)offset - 16) / 8],
        };
        return offset >= 8 && offset % 8 == 4 ? (uint)(field >> 32) : (uint)field;
    }
}
