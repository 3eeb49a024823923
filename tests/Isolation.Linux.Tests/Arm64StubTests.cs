using Isolation.Linux.MachineCode;
using Isolation.Testing;

namespace Isolation.Linux.Tests;

/// <summary>The emitted arm64 bytes as objdump reads them, against the listing that was reviewed.</summary>
public class Arm64StubTests
{
    [Fact]
    public void The_stub_disassembles_to_the_reviewed_listing()
    {
        Host.NeedsTool("aarch64-linux-gnu-objdump");
        using var directory = new TemporaryDirectory();
        string file = Path.Combine(directory.Path, "stub.bin");
        File.WriteAllBytes(file, Arm64Stub.Emit().Code);
        (int code, string output) = Host.Run("aarch64-linux-gnu-objdump", "-D", "-b", "binary", "-m", "aarch64",
            "--no-show-raw-insn", file);
        Assert.True(code == 0, output);
        string[] listing = [.. output.Split('\n').SkipWhile(l => !l.StartsWith(" ", StringComparison.Ordinal))
            .Select(l => l.Trim().Replace('\t', ' '))];
        Golden.AssertEqual("stub-arm64.txt", string.Join('\n', listing).TrimEnd() + "\n");
    }

    [Fact]
    public void The_stub_is_whole_words_and_fits_a_page()
    {
        Stub stub = Arm64Stub.Emit();
        Assert.Equal(0, stub.Code.Length % 4);
        Assert.InRange(stub.Code.Length, 1, 4096);
        Assert.InRange(stub.EntryOffset, 1, stub.Code.Length - 1);
    }

    [Fact]
    public void The_stub_of_an_image_has_one_store_less()
    {
        Assert.Equal(Arm64Stub.Emit().Code.Length - 4, Arm64Stub.Emit(forImage: true).Code.Length);
    }

    [Fact]
    public void An_offset_that_does_not_fit_the_instruction_is_refused()
    {
        var emitter = new Arm64Emitter();
        Assert.Throws<ArgumentOutOfRangeException>(() => emitter.Load(0, 1, 12));
        Assert.Throws<ArgumentOutOfRangeException>(() => emitter.Load32(0, 1, -4));
    }
}
