using System.Globalization;
using System.Text;
using Isolation.Linux;
using Isolation.Linux.Launching;
using Isolation.Linux.MachineCode;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Benchmarks.Launch;

/// <summary>Writes C that makes exactly the system calls of a lowered plan, with everything known at compile time.</summary>
/// <remarks>The floor: what the kernel itself costs, with nothing in between. The memory image is the program's own. Where a plan
/// executes the sealed image the floor executes a static program that was compiled before; it is told its descriptors by its first
/// argument.</remarks>
internal static class FloorSource
{
    /// <summary>The function that launches, for the driver.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="launch">What it does.</param>
    /// <param name="image">The static program that it executes in place of the sealed image.</param>
    internal static string Write(string name, LaunchProgram launch, string image)
    {
        SyscallProgram program = launch.Program;
        var text = new StringBuilder();
        text.Append($"static unsigned char {name}_image[] __attribute__((aligned(64))) = {{{Bytes(program.Image)}}};\n");
        text.Append($"static const unsigned {name}_relocations[] = {{{string.Join(',', program.Relocations)}}};\n");
        // A copy for every launch, since steps leave results in it; the C program pays for it as the library does.
        text.Append($"static unsigned char {name}_m[sizeof {name}_image] __attribute__((aligned(64)));\n");
        text.Append($"static long {name}_child(void) {{ unsigned char *m = {name}_m; long r; (void)r;\n");
        Section(text, program, launch.Borrowed, launch.Form == LaunchForm.Sealed ? "(unsigned long)image_arguments" : null);
        text.Append("return -1; }\n");
        text.Append($"static long {name}(void) {{ unsigned char *m = {name}_m; long r; (void)r;\n");
        text.Append($"memcpy(m, {name}_image, sizeof {name}_image);\n");
        text.Append($"for (unsigned i = 0; i < sizeof {name}_relocations / 4; "
            + $"i++) *(unsigned long*)(m + {name}_relocations[i]) += (unsigned long)m;\n");
        if (launch.ParentThread is { } thread)
            text.Append($"*(int*)(m + {program.Slots[thread]}) = self_pidfd;\n");
        Section(text, program, launch.Parent);
        if (launch.Form == LaunchForm.Sealed)
            Pass(text, launch, image);
        text.Append($"r = start(0x{launch.CloneFlags:x}UL, {name}_child);\n");
        foreach (Slot slot in launch.Temporary.Where(program.Slots.ContainsKey))
            text.Append($"close(*(int*)(m + {program.Slots[slot]}));\n");
        if (launch.Siblings is { } socket)
            text.Append($"r = adopt(r, *(int*)(m + {program.Slots[socket]}), report[0]);\n");
        text.Append("return r; }\n");
        return text.ToString();
    }

    /// <summary>The static program: the steps of the sealed image.</summary>
    internal static string WriteImage(LaunchProgram launch)
    {
        SyscallProgram program = launch.Program;
        byte[] data = [.. program.Image];
        SealedImage.Rebase(data, program, launch.Sealed.First, launch.Sealed.End, reportDescriptor: -1, 0, SealedImage.DataAddress);
        var text = new StringBuilder("#include \"raw.h\"\n");
        text.Append($"__attribute__((section(\"{ImageSection}\"), used, aligned(64))) unsigned char image[] = {{{Bytes(data)}}};\n");
        text.Append($"#define m ((unsigned char *)0x{SealedImage.DataAddress:x}UL)\n");
        text.Append($"#define REPORT (*(int *)(m + {program.Slots[launch.Report!]}))\n#include \"image.h\"\n");
        text.Append("__attribute__((used, noreturn)) void run(long *stack) { long r; const char *digits = (const char *)stack[1];\n");
        foreach (int slot in Passed(launch))
            text.Append($"*(int *)(m + {slot}) = hexadecimal(&digits);\n");
        Section(text, program, launch.Sealed);
        text.Append($"fail({launch.Sealed.End}, 0); for (;;); }}\n");
        return text.ToString();
    }

    /// <summary>The section that the linker places where the sealed image has its data.</summary>
    internal const string ImageSection = ".plan";

    // The report's pipe and the image are opened by the launcher thread, not by a step.
    private static void Pass(StringBuilder text, LaunchProgram launch, string image)
    {
        IReadOnlyDictionary<Slot, int> slots = launch.Program.Slots;
        text.Append("int report[2]; pipe2(report, O_CLOEXEC);\n");
        text.Append($"*(int*)(m + {slots[launch.Report!]}) = report[1];\n");
        text.Append($"static int file = -1; if (file < 0) file = open(\"{image}\", O_RDONLY | O_CLOEXEC);\n");
        text.Append($"*(int*)(m + {slots[launch.SealedFile!]}) = file;\nchar *digits = image_digits;\n");
        foreach (int slot in Passed(launch))
            text.Append($"write_hexadecimal(&digits, *(int*)(m + {slot}));\n");
        text.Append("*digits = 0;\n");
    }

    // What the steps before have filled and those of the image read.
    private static IEnumerable<int> Passed(LaunchProgram launch) =>
        launch.Temporary.Append(launch.Report!).Append(launch.ParentThread).OfType<Slot>()
            .Where(launch.Program.Slots.ContainsKey).Select(s => launch.Program.Slots[s]).Distinct();

    private static string Bytes(byte[] bytes) => string.Concat(bytes.Select((b, i) => $"{(i % 32 == 0 ? "\n" : "")}{b},"));

    private static void Section(StringBuilder text, SyscallProgram program, StepRange range, string? lastArguments = null)
    {
        for (int i = range.First; i < range.End; i++)
        {
            SyscallStep step = program.Steps[i];
            if (step.Rule is StepRule.EqualSkips or StepRule.ReadsNumber)
                throw new NotSupportedException($"The floor has no C for {step}.");
            text.Append($"s{i}: r = raw({SyscallNumber.Of(step.Call, program.Architecture)}");
            for (int a = 0; a < 6; a++)
            {
                text.Append(", ").Append(
                    a == 2 && i == range.End - 1 && lastArguments is not null ? lastArguments
                    : a < step.Arguments.Length ? Argument(program, step.Arguments[a], i, a) : "0");
            }

            text.Append(");");
            if (step.Result is { } slot)
                text.Append($" *(long*)(m + {program.Slots[slot]}) = r;");
            if (step.Rule == StepRule.Repeats)
                text.Append($" if (r == -{(int)Errno.EAGAIN}) goto s{i};");
            string tolerated = step.ToleratesAll ? "r < 0 && r > -4096"
                : string.Join(" || ", step.Tolerated.Select(e => $"r == -{(int)e}"));
            if (tolerated.Length > 0)
                text.Append($" if ({tolerated}) goto {Target(i + 1 + step.SkipOnTolerated, range)};");
            text.Append($" if (r < 0 && r > -4096) return fail({i}, r);");
            text.Append(step.Rule switch
            {
                StepRule.NonzeroFails => $" if (r) return fail({i}, 0);",
                StepRule.ZeroFails => $" if (!r) return fail({i}, 0);",
                StepRule.ZeroContinues => $" if (!r) goto {Target(i + 1, range)};",
                _ => "",
            });
            if (step.SkipOnSuccess != 0)
                text.Append($" goto {Target(i + 1 + step.SkipOnSuccess, range)};");
            text.Append('\n');
        }

        text.Append($"s{range.End}: __attribute__((unused));\n");
    }

    private static string Target(int index, StepRange range) =>
        string.Create(CultureInfo.InvariantCulture, $"s{Math.Min(index, range.End)}");

    private static string Argument(SyscallProgram program, StepArgument argument, int step, int index) => argument switch
    {
        WordArgument word => $"0x{word.Value:x}UL",
        SlotArgument slot => $"*(long*)(m + {program.Slots[slot.Slot]})",
        _ => $"(unsigned long)(m + {Word(program, step, index)})",
    };

    private static ulong Word(SyscallProgram program, int step, int index) =>
        BitConverter.ToUInt64(program.Image, SyscallProgram.StepOffset(step) + InterpreterLayout.StepArguments + (index * 8));
}
