using System.Buffers.Binary;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.MachineCode;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Arm64.Tests;

/// <summary>The arm64 stub on a real arm64 kernel, in an emulated machine whose init is a static image
/// made of the stub and a program.</summary>
/// <remarks>The init launches children as the library does, by clone3 and by clone, into new namespaces with shared memory; they execute a
/// second image, which makes a child as an init does and waits for it. Then it checks what came back,
/// by futexes on the expected values.</remarks>
public class Arm64MachineTests
{
    private const string Success = "ISOLATION-ARM64-OK";
    private const ulong Namespaces = Sched.CLONE_NEWNS | Sched.CLONE_NEWUTS | Sched.CLONE_NEWIPC | Sched.CLONE_NEWPID | Sched.CLONE_NEWNET
        | Sched.CLONE_NEWCGROUP | Sched.CLONE_NEWUSER;
    private const int ExitCode = 7, ChildSpace = 0x4000;

    [Fact]
    public async Task Launches_work_on_an_arm64_kernel()
    {
        string? kernel = Environment.GetEnvironmentVariable("ISOLATION_ARM64_KERNEL");
        Assert.SkipUnless(File.Exists(kernel),
            "needs a Debian arm64 kernel: eng/fetch-arm64-kernel.sh, with its output in ISOLATION_ARM64_KERNEL");
        Host.NeedsTool("qemu-system-aarch64");
        using var directory = new TemporaryDirectory();
        string initramfs = Path.Combine(directory.Path, "initramfs");
        var archive = new CpioArchive();
        archive.Add("init", 0x8000 | 0b111_101_101, InitImage());
        archive.Add("child", 0x8000 | 0b111_101_101, ChildImage());
        await File.WriteAllBytesAsync(initramfs, archive.Close());
        string console = await BootAsync(kernel!, initramfs);
        Assert.True(console.Contains(Success), console[^Math.Min(console.Length, 4000)..]);
        Assert.Equal(2, console.Split("child image runs").Length - 1);
        Assert.Equal(2, console.Split("main of the init runs").Length - 1);
    }

    private static async Task<string> BootAsync(string kernel, string initramfs)
    {
        string[] arguments =
        [
            "-machine", "virt", "-cpu", "cortex-a57", "-accel", "tcg", "-smp", "2", "-m", "512", "-nodefaults", "-display", "none",
            "-no-reboot", "-serial", "stdio",
            "-kernel", kernel, "-initrd", initramfs, "-append", "console=ttyAMA0 quiet panic=-1",
        ];
        using Process machine = Process.Start(
            new ProcessStartInfo("qemu-system-aarch64", arguments) { RedirectStandardOutput = true, RedirectStandardInput = true })!;
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(4));
        try
        {
            string console = await machine.StandardOutput.ReadToEndAsync(limit.Token);
            await machine.WaitForExitAsync(limit.Token);
            return console;
        }
        catch (OperationCanceledException)
        {
            machine.Kill();
            return "the machine did not end in time";
        }
    }

    /// <summary>The image that a child executes: process 1 of its PID namespace, which forks, waits,
    /// and ends with the code that its child had.</summary>
    private static byte[] ChildImage()
    {
        var writer = new SyscallProgramWriter(Architecture.Arm64);
        Slot missing = new("missing"), main = new("main"), status = new("status");
        writer.Add(
            Say("child image runs\n"),
            new SyscallStep(Syscall.openat, StepArgument.CurrentDirectory, "/no/such/file", 0)
            { Result = missing, Tolerated = [Errno.EPERM, Errno.EIO, Errno.ENOENT], SkipOnTolerated = 1 },
            new SyscallStep(Syscall.exit_group, 99),
            new SyscallStep(Syscall.clone, Sched.SIGCHLD, 0, 0, 0, 0) { Result = main, Rule = StepRule.ZeroContinues, SkipOnSuccess = 2 },
            Say("main of the init runs\n"),
            new SyscallStep(Syscall.exit_group, ExitCode),
            new SyscallStep(Syscall.wait4, main, StepArgument.AddressOf(status), Sched.__WALL, 0) { Rule = StepRule.ZeroFails },
            ExpectInt32(StepArgument.AddressOf(status), ExitCode << 8),
            new SyscallStep(Syscall.exit_group, ExitCode));
        SyscallProgram program = writer.Build();
        byte[] data = [.. program.Image];
        SealedImage.Rebase(data, program, 0, program.Steps.Length, reportDescriptor: 1, from: 0, to: SealedImage.DataAddress);
        return Image(SealedImage.Header(Architecture.Arm64, Arm64Stub.Emit(), data.Length), data);
    }

    /// <summary>The machine's init: an entry that launches two children, then a program that checks on them and switches off.</summary>
    private static byte[] InitImage()
    {
        Slot first = new("first"), second = new("second"), firstId = new("first-id"), secondId = new("second-id");
        SyscallProgram child1 = ChildProgram(firstId), child2 = ChildProgram(secondId);
        SyscallProgram main = MainProgram(first, second,
            SealedImage.DataAddress + ChildSpace + child1.Slots[firstId],
            SealedImage.DataAddress + (2 * ChildSpace) + child2.Slots[secondId]);
        var data = new byte[3 * ChildSpace];
        main.Image.CopyTo(data, 0);
        SealedImage.Rebase(data.AsSpan(0, main.Image.Length), main, 0, main.Steps.Length, reportDescriptor: 1, from: 0,
            to: SealedImage.DataAddress);
        PlaceChild(data, child1, 1, clone3: true);
        PlaceChild(data, child2, 2, clone3: false);
        return Image(HeaderWithLaunches(data.Length, main.Slots[first], main.Slots[second]), data);
    }

    private static SyscallProgram ChildProgram(Slot id)
    {
        var writer = new SyscallProgramWriter(Architecture.Arm64);
        writer.Add(
            new SyscallStep(Syscall.getpid) { Result = id, Rule = StepRule.ZeroFails },
            new SyscallStep(Syscall.sethostname, "arm64-box", 9),
            new SyscallStep(Syscall.execve, "/child", StepArgument.StringArray(["child"]), StepArgument.StringArray([])));
        return writer.Build();
    }

    /// <summary>Waits for each child by the id that launch returned; its code must be the one expected,
    /// and it must have seen itself as process 1.</summary>
    private static SyscallProgram MainProgram(Slot first, Slot second, long firstId, long secondId)
    {
        var writer = new SyscallProgramWriter(Architecture.Arm64);
        foreach ((Slot child, long id) in new[] { (first, firstId), (second, secondId) })
        {
            Slot status = new("status");
            writer.Add(
                new SyscallStep(Syscall.wait4, child, StepArgument.AddressOf(status), Sched.__WALL, 0) { Rule = StepRule.ZeroFails },
                ExpectInt32(StepArgument.AddressOf(status), ExitCode << 8),
                ExpectInt32(StepArgument.Word((ulong)id), 1));
        }

        writer.Add(
            Say(Success + "\n"),
            new SyscallStep(Syscall.reboot, 0xfee1dead, 672274793, 0x4321fedc, 0));
        return writer.Build();
    }

    /// <summary>A futex wait ends with ETIMEDOUT where memory holds the value, and with EAGAIN, a failure, where it does not.</summary>
    private static SyscallStep ExpectInt32(StepArgument address, int value) =>
        new(Syscall.futex, address, 0, value, StepArgument.Words("{0, 1}", 0, 1), 0, 0)
        { Tolerated = [Errno.ETIMEDOUT], Rule = StepRule.ZeroFails };

    private static SyscallStep Say(string text) => new(Syscall.write, 1, text, text.Length);

    private static void PlaceChild(byte[] data, SyscallProgram program, int index, bool clone3)
    {
        long address = SealedImage.DataAddress + (index * ChildSpace);
        Span<byte> place = data.AsSpan(index * ChildSpace, program.Image.Length);
        program.Image.CopyTo(place);
        SealedImage.Rebase(place, program, 0, program.Steps.Length, reportDescriptor: 1, from: 0, to: address);
        void Put(Span<byte> at, int offset, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(at[offset..], value);
        const ulong Shared = Sched.CLONE_VM | Sched.CLONE_VFORK | Sched.CLONE_PIDFD;
        if (clone3)
        {
            Put(place, InterpreterLayout.CloneArgs, Namespaces | Shared | Sched.CLONE_PARENT_SETTID | Sched.CLONE_CLEAR_SIGHAND);
            Put(place, InterpreterLayout.CloneArgs + 8, (ulong)(address + InterpreterLayout.PidDescriptor));
            Put(place, InterpreterLayout.CloneArgs + 24, (ulong)(address + InterpreterLayout.ChildId));
            Put(place, InterpreterLayout.CloneNumber, (ulong)SyscallNumber.Of(Syscall.clone3, Architecture.Arm64));
            Put(place, InterpreterLayout.CloneArguments, (ulong)(address + InterpreterLayout.CloneArgs));
            Put(place, InterpreterLayout.CloneArguments + 8, InterpreterLayout.CloneArgsSize);
            return;
        }

        Put(place, InterpreterLayout.CloneNumber, (ulong)SyscallNumber.Of(Syscall.clone, Architecture.Arm64));
        Put(place, InterpreterLayout.CloneArguments, Namespaces | Shared);
        Put(place, InterpreterLayout.CloneArguments + 16, (ulong)(address + InterpreterLayout.PidDescriptor));
    }

    /// <summary>The image's header with an entry of its own: calls launch for both children,
    /// leaves the results in slots, then interprets.</summary>
    private static byte[] HeaderWithLaunches(int dataSize, int firstSlot, int secondSlot)
    {
        Stub stub = Arm64Stub.Emit();
        byte[] plain = SealedImage.Header(Architecture.Arm64, stub, dataSize);
        int codeStart = plain.Length - stub.Code.Length - Stub.ProcessEntry(Architecture.Arm64, 0, 0, 0).Length;
        var words = new List<uint>();
        void LoadAddress(int register, long value)
        {
            words.Add(0xd2800000 | (uint)(value & 0xffff) << 5 | (uint)register);         // movz
            words.Add(0xf2a00000 | (uint)(value >> 16 & 0xffff) << 5 | (uint)register);   // movk, lsl #16
        }

        int entryStart = plain.Length;
        foreach ((int index, int slot) in new[] { (1, firstSlot), (2, secondSlot) })
        {
            LoadAddress(0, SealedImage.DataAddress + (index * ChildSpace));
            int here = entryStart + (words.Count * 4);
            words.Add(0x94000000 | ((uint)((codeStart + stub.LaunchOffset - here) / 4) & 0x3ffffff));                          // bl launch
            LoadAddress(9, SealedImage.DataAddress + slot);
            // str x0, [x9]
            words.Add(0xf9000120);
        }

        int interpreter = plain.Length - Stub.ProcessEntry(Architecture.Arm64, 0, 0, 0).Length;
        // b process entry
        words.Add(0x14000000 | ((uint)((interpreter - (entryStart + (words.Count * 4))) / 4) & 0x3ffffff));
        byte[] code = [.. plain, .. words.SelectMany(BitConverter.GetBytes)];
        BinaryPrimitives.WriteInt64LittleEndian(code.AsSpan(24), SealedImage.CodeAddress + entryStart);                       // e_entry
        // p_filesz, p_memsz
        BinaryPrimitives.WriteInt64LittleEndian(code.AsSpan(64 + 32), code.Length);
        BinaryPrimitives.WriteInt64LittleEndian(code.AsSpan(64 + 40), code.Length);
        return code;
    }

    private static byte[] Image(byte[] header, byte[] data)
    {
        var image = new byte[SealedImage.PageSize + data.Length];
        header.CopyTo(image, 0);
        data.CopyTo(image, SealedImage.PageSize);
        return image;
    }
}
