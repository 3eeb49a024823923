namespace Isolation.Linux.MachineCode;

/// <summary>Condition codes of arm64, by their encoding.</summary>
internal enum Arm64Condition
{
    Equal = 0, NotEqual = 1, UnsignedHigherOrSame = 2, UnsignedLower = 3, LessOrEqual = 13,
}

/// <summary>Encodes the few arm64 instructions that the stub is made of. Registers are numbers: 0 to 30, 31 is zr or sp.</summary>
internal sealed class Arm64Emitter
{
    internal const int Zero = 31;
    internal const int StackPointer = 31;

    private readonly CodeBuffer _code = new();

    internal int Offset => _code.Offset;

    internal byte[] ToArray() => _code.ToArray();

    internal void Place(Label label) => _code.Place(label);

    /// <summary>bti c</summary>
    internal void BranchTarget() => Word(0xd503245f);

    /// <summary>svc #0</summary>
    internal void SupervisorCall() => Word(0xd4000001);

    internal void Ret() => Word(0xd65f03c0);

    /// <summary>udf #0</summary>
    internal void Undefined() => Word(0);

    /// <summary>stp xA, xB, [sp, #-16]!</summary>
    internal void PushPair(int a, int b) => Word(0xa9bf0000 | (uint)b << 10 | StackPointer << 5 | (uint)a);

    /// <summary>ldp xA, xB, [sp], #16</summary>
    internal void PopPair(int a, int b) => Word(0xa8c10000 | (uint)b << 10 | StackPointer << 5 | (uint)a);

    /// <summary>mov xTo, xFrom</summary>
    internal void Move(int to, int from) => Word(0xaa0003e0 | (uint)from << 16 | (uint)to);

    /// <summary>mov wTo, wFrom</summary>
    internal void Move32(int to, int from) => Word(0x2a0003e0 | (uint)from << 16 | (uint)to);

    /// <summary>movz xTo, #value, lsl #shift</summary>
    internal void MoveImmediate(int to, ushort value, int shift = 0) =>
        Word(0xd2800000 | (uint)(shift / 16) << 21 | (uint)value << 5 | (uint)to);

    /// <summary>movk xTo, #value, lsl #shift</summary>
    internal void MoveKeep(int to, ushort value, int shift) => Word(0xf2800000 | (uint)(shift / 16) << 21 | (uint)value << 5 | (uint)to);

    /// <summary>movn xTo, #value: the bitwise inverse</summary>
    internal void MoveNot(int to, ushort value) => Word(0x92800000 | (uint)value << 5 | (uint)to);

    /// <summary>ldr xTo, [xBase, #offset]</summary>
    internal void Load(int to, int from, int offset) => Word(0xf9400000 | Scaled(offset, 8) << 10 | (uint)from << 5 | (uint)to);

    /// <summary>ldr wTo, [xBase, #offset]</summary>
    internal void Load32(int to, int from, int offset) => Word(0xb9400000 | Scaled(offset, 4) << 10 | (uint)from << 5 | (uint)to);

    /// <summary>ldrsb xTo, [xBase, #offset]</summary>
    internal void LoadSigned8(int to, int from, int offset) => Word(0x39800000 | Scaled(offset, 1) << 10 | (uint)from << 5 | (uint)to);

    /// <summary>ldrb wTo, [xBase, #offset]</summary>
    internal void LoadUnsigned8(int to, int from, int offset) => Word(0x39400000 | Scaled(offset, 1) << 10 | (uint)from << 5 | (uint)to);

    /// <summary>str xValue, [xBase, #offset]</summary>
    internal void Store(int to, int offset, int value) => Word(0xf9000000 | Scaled(offset, 8) << 10 | (uint)to << 5 | (uint)value);

    /// <summary>str wValue, [xBase, #offset]</summary>
    internal void Store32(int to, int offset, int value) => Word(0xb9000000 | Scaled(offset, 4) << 10 | (uint)to << 5 | (uint)value);

    /// <summary>add xTo, xFrom, #value</summary>
    internal void AddImmediate(int to, int from, int value) => Word(0x91000000 | Scaled(value, 1) << 10 | (uint)from << 5 | (uint)to);

    /// <summary>add xTo, xLeft, xRight, lsl #shift</summary>
    internal void Add(int to, int left, int right, int shift = 0) =>
        Word(0x8b000000 | (uint)right << 16 | (uint)shift << 10 | (uint)left << 5 | (uint)to);

    /// <summary>sub xTo, xLeft, xRight</summary>
    internal void Subtract(int to, int left, int right) => Word(0xcb000000 | (uint)right << 16 | (uint)left << 5 | (uint)to);

    /// <summary>neg wTo, wFrom</summary>
    internal void Negate32(int to, int from) => Word(0x4b0003e0 | (uint)from << 16 | (uint)to);

    /// <summary>cmp xLeft, xRight</summary>
    internal void Compare(int left, int right) => Word(0xeb00001f | (uint)right << 16 | (uint)left << 5);

    /// <summary>cmp wLeft, wRight</summary>
    internal void Compare32(int left, int right) => Word(0x6b00001f | (uint)right << 16 | (uint)left << 5);

    /// <summary>cmp xLeft, #value</summary>
    internal void CompareImmediate(int left, int value) => Word(0xf100001f | Scaled(value, 1) << 10 | (uint)left << 5);

    /// <summary>cmn xLeft, #value: compares with the negative</summary>
    internal void CompareNegative(int left, int value) => Word(0xb100001f | Scaled(value, 1) << 10 | (uint)left << 5);

    /// <summary>lsr xTo, xFrom, #count</summary>
    internal void ShiftRight(int to, int from, int count) => Word(0xd340fc00 | (uint)count << 16 | (uint)from << 5 | (uint)to);

    /// <summary>ubfx wTo, wFrom, #low, #width</summary>
    internal void ExtractBits32(int to, int from, int low, int width) =>
        Word(0x53000000 | (uint)low << 16 | (uint)(low + width - 1) << 10 | (uint)from << 5 | (uint)to);

    /// <summary>tbz wRegister, #bit, target</summary>
    internal void JumpIfBitClear(int register, int bit, Label target) => TestBranch(0x36000000, register, bit, target);

    /// <summary>tbnz wRegister, #bit, target</summary>
    internal void JumpIfBitSet(int register, int bit, Label target) => TestBranch(0x37000000, register, bit, target);

    /// <summary>cbz xRegister, target</summary>
    internal void JumpIfZero(int register, Label target) => Branch19(0xb4000000 | (uint)register, target);

    /// <summary>cbnz wRegister, target</summary>
    internal void JumpIfNotZero32(int register, Label target) => Branch19(0x35000000 | (uint)register, target);

    internal void Jump(Arm64Condition condition, Label target) => Branch19(0x54000000 | (uint)condition, target);

    internal void Jump(Label target)
    {
        _code.Branch(_code.Offset, target, static (code, at, to) =>
            code.WriteInt32(at, code.ReadInt32(at) | ((to - at) / 4 & 0x3ffffff)));
        Word(0x14000000);
    }

    /// <summary>b to a known distance from this instruction.</summary>
    internal void JumpDistance(int distance) => Word(0x14000000 | ((uint)(distance / 4) & 0x3ffffff));

    private void TestBranch(uint opcode, int register, int bit, Label target)
    {
        _code.Branch(_code.Offset, target, static (code, at, to) =>
            code.WriteInt32(at, code.ReadInt32(at) | ((to - at) / 4 & 0x3fff) << 5));
        Word(opcode | (uint)bit << 19 | (uint)register);
    }

    private void Branch19(uint opcode, Label target)
    {
        _code.Branch(_code.Offset, target, static (code, at, to) =>
            code.WriteInt32(at, code.ReadInt32(at) | ((to - at) / 4 & 0x7ffff) << 5));
        Word(opcode);
    }

    private static uint Scaled(int offset, int size)
    {
        if (offset < 0 || offset % size != 0 || offset / size > 4095)
            throw new ArgumentOutOfRangeException(nameof(offset), offset, "The immediate does not fit the instruction.");
        return (uint)(offset / size);
    }

    private void Word(uint instruction) => _code.Int32(unchecked((int)instruction));
}
