namespace Isolation.Linux.MachineCode;

/// <summary>General registers of x86-64, by their encoding.</summary>
internal enum X64Register
{
    Rax, Rcx, Rdx, Rbx, Rsp, Rbp, Rsi, Rdi, R8, R9, R10, R11, R12, R13, R14, R15,
}

/// <summary>Condition codes of x86-64, by their encoding.</summary>
internal enum X64Condition
{
    Below = 2, AboveOrEqual = 3, Equal = 4, NotEqual = 5, Sign = 8, LessOrEqual = 14,
}

/// <summary>Encodes the few x86-64 instructions that the stub is made of. Memory operands are [base + disp32].</summary>
internal sealed class X64Emitter
{
    private readonly CodeBuffer _code = new();

    internal int Offset => _code.Offset;

    internal byte[] ToArray() => _code.ToArray();

    internal void Place(Label label) => _code.Place(label);

    internal void Endbr64() => _code.Bytes(0xf3, 0x0f, 0x1e, 0xfa);

    internal void Syscall() => _code.Bytes(0x0f, 0x05);

    internal void Ret() => _code.Byte(0xc3);

    internal void Ud2() => _code.Bytes(0x0f, 0x0b);

    internal void Push(X64Register r) => Short(0x50, r);

    internal void Pop(X64Register r) => Short(0x58, r);

    /// <summary>mov r64, r64</summary>
    internal void Move(X64Register to, X64Register from) => RegReg(0x89, reg: from, rm: to, wide: true);

    /// <summary>mov r32, r32</summary>
    internal void Move32(X64Register to, X64Register from) => RegReg(0x89, reg: from, rm: to, wide: false);

    /// <summary>mov r32, imm32; the upper half becomes zero.</summary>
    internal void MoveImmediate(X64Register to, int value)
    {
        Rex(wide: false, 0, to);
        _code.Byte((byte)(0xb8 + ((int)to & 7)));
        _code.Int32(value);
    }

    /// <summary>movabs r64, imm64</summary>
    internal void MoveImmediate64(X64Register to, long value)
    {
        Rex(wide: true, 0, to);
        _code.Byte((byte)(0xb8 + ((int)to & 7)));
        _code.Int64(value);
    }

    /// <summary>mov r64, [base + displacement]</summary>
    internal void Load(X64Register to, X64Register from, int displacement) => RegMemory([0x8b], to, from, displacement, wide: true);

    /// <summary>mov r32, [base + displacement]</summary>
    internal void Load32(X64Register to, X64Register from, int displacement) => RegMemory([0x8b], to, from, displacement, wide: false);

    /// <summary>movsx r64, byte [base + displacement]</summary>
    internal void LoadSigned8(X64Register to, X64Register from, int displacement) =>
        RegMemory([0x0f, 0xbe], to, from, displacement, wide: true);

    /// <summary>movzx r32, byte [base + displacement]</summary>
    internal void LoadUnsigned8(X64Register to, X64Register from, int displacement) =>
        RegMemory([0x0f, 0xb6], to, from, displacement, wide: false);

    /// <summary>mov [base + displacement], r64</summary>
    internal void Store(X64Register to, int displacement, X64Register value) => RegMemory([0x89], value, to, displacement, wide: true);

    /// <summary>mov [base + displacement], r32</summary>
    internal void Store32(X64Register to, int displacement, X64Register value) => RegMemory([0x89], value, to, displacement, wide: false);

    /// <summary>lea r64, [base + displacement]</summary>
    internal void Lea(X64Register to, X64Register from, int displacement) => RegMemory([0x8d], to, from, displacement, wide: true);

    /// <summary>add r64, r64</summary>
    internal void Add(X64Register to, X64Register value) => RegReg(0x01, reg: value, rm: to, wide: true);

    /// <summary>sub r64, [base + displacement]</summary>
    internal void SubtractMemory(X64Register to, X64Register from, int displacement) =>
        RegMemory([0x2b], to, from, displacement, wide: true);

    /// <summary>xor r32, r32 with itself: zero.</summary>
    internal void Clear(X64Register r) => RegReg(0x31, reg: r, rm: r, wide: false);

    /// <summary>test r64, r64</summary>
    internal void Test(X64Register r) => RegReg(0x85, reg: r, rm: r, wide: true);

    /// <summary>test r32, r32</summary>
    internal void Test32(X64Register r) => RegReg(0x85, reg: r, rm: r, wide: false);

    /// <summary>cmp r64, r64</summary>
    internal void Compare(X64Register left, X64Register right) => RegReg(0x39, reg: right, rm: left, wide: true);

    /// <summary>cmp r32, r32</summary>
    internal void Compare32(X64Register left, X64Register right) => RegReg(0x39, reg: right, rm: left, wide: false);

    /// <summary>cmp r64, [base + displacement]</summary>
    internal void CompareMemory(X64Register left, X64Register from, int displacement) =>
        RegMemory([0x3b], left, from, displacement, wide: true);

    /// <summary>cmp r32, [base + displacement]</summary>
    internal void CompareMemory32(X64Register left, X64Register from, int displacement) =>
        RegMemory([0x3b], left, from, displacement, wide: false);

    /// <summary>cmp r64, imm32, sign-extended</summary>
    internal void CompareImmediate(X64Register left, int value) => Immediate32(left, 7, value, wide: true);

    /// <summary>and r32, imm32</summary>
    internal void AndImmediate32(X64Register r, int value) => Immediate32(r, 4, value, wide: false);

    /// <summary>add r32, imm32</summary>
    internal void AddImmediate32(X64Register r, int value) => Immediate32(r, 0, value, wide: false);

    /// <summary>inc r64</summary>
    internal void Increment(X64Register r) => Group(0xff, 0, r, wide: true);

    /// <summary>neg r32</summary>
    internal void Negate32(X64Register r) => Group(0xf7, 3, r, wide: false);

    /// <summary>shl r64, count</summary>
    internal void ShiftLeft(X64Register r, byte count) => Shift(4, r, count, wide: true);

    /// <summary>shr r64, count</summary>
    internal void ShiftRight(X64Register r, byte count) => Shift(5, r, count, wide: true);

    /// <summary>shr r32, count</summary>
    internal void ShiftRight32(X64Register r, byte count) => Shift(5, r, count, wide: false);

    /// <summary>bt r32, bit: the bit goes to carry (Below = set, AboveOrEqual = clear).</summary>
    internal void BitTest(X64Register r, byte bit)
    {
        Rex(wide: false, 0, r);
        _code.Bytes(0x0f, 0xba);
        ModRegister(4, r);
        _code.Byte(bit);
    }

    internal void Jump(Label target)
    {
        _code.Byte(0xe9);
        Relative(target);
    }

    internal void Jump(X64Condition condition, Label target)
    {
        _code.Bytes(0x0f, (byte)(0x80 + (int)condition));
        Relative(target);
    }

    /// <summary>jmp rel32 to a known distance from the end of the instruction.</summary>
    internal void JumpDistance(int distance)
    {
        _code.Byte(0xe9);
        _code.Int32(distance);
    }

    private void Relative(Label target)
    {
        _code.Branch(_code.Offset, target, static (code, at, to) => code.WriteInt32(at, to - (at + 4)));
        _code.Int32(0);
    }

    private void Short(byte opcode, X64Register r)
    {
        Rex(wide: false, 0, r);
        _code.Byte((byte)(opcode + ((int)r & 7)));
    }

    private void Group(byte opcode, int extension, X64Register r, bool wide)
    {
        Rex(wide, 0, r);
        _code.Byte(opcode);
        ModRegister(extension, r);
    }

    private void Shift(int extension, X64Register r, byte count, bool wide)
    {
        Group(0xc1, extension, r, wide);
        _code.Byte(count);
    }

    private void Immediate32(X64Register r, int extension, int value, bool wide)
    {
        Group(0x81, extension, r, wide);
        _code.Int32(value);
    }

    private void RegReg(byte opcode, X64Register reg, X64Register rm, bool wide)
    {
        Rex(wide, reg, rm);
        _code.Byte(opcode);
        ModRegister((int)reg & 7, rm);
    }

    private void RegMemory(ReadOnlySpan<byte> opcode, X64Register reg, X64Register from, int displacement, bool wide)
    {
        Rex(wide, reg, from);
        _code.Bytes(opcode);
        _code.Byte((byte)(0x80 | ((int)reg & 7) << 3 | ((int)from & 7)));
        if (((int)from & 7) == 4)
            _code.Byte(0x24); // rsp and r12 as a base need a SIB byte
        _code.Int32(displacement);
    }

    private void ModRegister(int reg, X64Register rm) => _code.Byte((byte)(0xc0 | reg << 3 | ((int)rm & 7)));

    private void Rex(bool wide, X64Register reg, X64Register rm)
    {
        int rex = 0x40 | (wide ? 8 : 0) | ((int)reg >= 8 ? 4 : 0) | ((int)rm >= 8 ? 1 : 0);
        if (rex != 0x40)
            _code.Byte((byte)rex);
    }
}
