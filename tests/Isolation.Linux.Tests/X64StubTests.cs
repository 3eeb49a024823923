using Iced.Intel;
using Isolation.Linux.MachineCode;
using Isolation.Linux.Programs;

namespace Isolation.Linux.Tests;

/// <summary>The emitted x86-64 bytes as Iced's disassembler reads them, against the listing that was reviewed.</summary>
public class X64StubTests
{
    [Fact]
    public void The_stub_disassembles_to_the_reviewed_listing()
    {
        Golden.AssertEqual("stub-x64.txt", Disassemble(X64Stub.Emit().Code));
    }

    [Fact]
    public void The_child_part_uses_no_stack_and_no_thread_local_storage()
    {
        Stub stub = X64Stub.Emit();
        foreach (Instruction instruction in Decode(stub.Code).Where(i => (int)i.IP >= stub.EntryOffset))
        {
            Assert.DoesNotContain(instruction.Mnemonic, new[] { Mnemonic.Push, Mnemonic.Pop, Mnemonic.Call, Mnemonic.Ret });
            Assert.Equal(Register.None, instruction.SegmentPrefix);
            Assert.NotEqual(Register.RSP, instruction.MemoryBase);
        }
    }

    // Each process of an image that writes to a page of it gets a copy of that page. Repetitions and failures are rare.
    [Fact]
    public void In_an_image_a_step_that_succeeds_leaves_the_context_as_it_is()
    {
        Stub stub = X64Stub.Emit(forImage: true);
        int[] stores = [.. Decode(stub.Code).Where(i => (int)i.IP >= stub.EntryOffset && i.Mnemonic == Mnemonic.Mov
            && i.Op0Kind == OpKind.Memory && i.MemoryBase == Register.R12).Select(i => (int)i.MemoryDisplacement64)];
        Assert.Equal([InterpreterLayout.Repeated, InterpreterLayout.FailedErrno, InterpreterLayout.FailedStep], stores);
    }

    [Fact]
    public void Every_branch_lands_on_an_instruction_of_the_stub()
    {
        byte[] code = X64Stub.Emit().Code;
        Instruction[] instructions = [.. Decode(code)];
        HashSet<ulong> starts = [.. instructions.Select(i => i.IP)];
        Assert.All(instructions.Where(i => i.FlowControl is FlowControl.ConditionalBranch or FlowControl.UnconditionalBranch),
            i => Assert.Contains(i.NearBranchTarget, starts));
        Assert.DoesNotContain(instructions, i => i.IsInvalid);
        Assert.Equal(code.Length, instructions.Sum(i => i.Length));
    }

    [Fact]
    public void A_process_entry_loads_the_context_and_jumps_to_the_interpreter()
    {
        byte[] code = X64Stub.EmitProcessEntry(context: 0x800000, entry: 0x4000e8, here: 0x400300);
        Instruction[] instructions = [.. Decode(code, 0x400300)];
        Assert.Equal(2, instructions.Length);
        Assert.Equal((Mnemonic.Mov, Register.R12, 0x800000ul),
            (instructions[0].Mnemonic, instructions[0].Op0Register, instructions[0].Immediate64));
        Assert.Equal((Mnemonic.Jmp, 0x4000e8ul), (instructions[1].Mnemonic, instructions[1].NearBranchTarget));
    }

    private static IEnumerable<Instruction> Decode(byte[] code, ulong address = 0)
    {
        var decoder = Iced.Intel.Decoder.Create(64, code, address);
        while (decoder.IP < address + (ulong)code.Length)
        {
            decoder.Decode(out Instruction instruction);
            yield return instruction;
        }
    }

    private static string Disassemble(byte[] code)
    {
        var formatter = new IntelFormatter();
        var output = new StringOutput();
        var text = new System.Text.StringBuilder();
        foreach (Instruction instruction in Decode(code))
        {
            formatter.Format(instruction, output);
            text.Append($"{instruction.IP:x4}  {output.ToStringAndReset()}\n");
        }

        return text.ToString();
    }
}
