using System.Globalization;
using System.Text;
using Isolation.Linux.Launching;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Benchmarks.Launch;

/// <summary>Writes a C function that makes exactly the system calls of a lowered plan, with everything known at compile time.</summary>
/// <remarks>The floor: what the kernel itself costs, with nothing in between. The memory image is the program's own.</remarks>
internal static class FloorSource
{
    internal static string Write(string name, LaunchProgram launch)
    {
        SyscallProgram program = launch.Program;
        var text = new StringBuilder();
        text.Append($"static unsigned char {name}_image[] __attribute__((aligned(64))) = {{");
        for (int i = 0; i < program.Image.Length; i++)
            text.Append(i % 32 == 0 ? "\n" : "").Append(program.Image[i]).Append(',');
        text.Append("};\n");
        text.Append($"static const unsigned {name}_relocations[] = {{{string.Join(',', program.Relocations)}}};\n");
        // A copy for every launch, since steps leave results in it; the C program pays for it as the library does.
        text.Append($"static unsigned char {name}_m[sizeof {name}_image] __attribute__((aligned(64)));\n");
        text.Append($"static long {name}_child(void) {{ unsigned char *m = {name}_m; long r; (void)r;\n");
        Section(text, program, launch.Borrowed);
        text.Append("return -1; }\n");
        text.Append($"static long {name}(void) {{ unsigned char *m = {name}_m; long r; (void)r;\n");
        text.Append($"memcpy(m, {name}_image, sizeof {name}_image);\n");
        text.Append($"for (unsigned i = 0; i < sizeof {name}_relocations / 4; i++) *(unsigned long*)(m + {name}_relocations[i]) += (unsigned long)m;\n");
        if (launch.ParentThread is { } thread)
            text.Append($"*(int*)(m + {program.Slots[thread]}) = self_pidfd;\n");
        Section(text, program, launch.Parent);
        text.Append($"r = start(0x{launch.CloneFlags:x}UL, {name}_child);\n");
        foreach (Slot slot in launch.Temporary.Where(program.Slots.ContainsKey))
            text.Append($"close(*(int*)(m + {program.Slots[slot]}));\n");
        text.Append("return r; }\n");
        return text.ToString();
    }

    private static void Section(StringBuilder text, SyscallProgram program, StepRange range)
    {
        for (int i = range.First; i < range.End; i++)
        {
            SyscallStep step = program.Steps[i];
            text.Append($"s{i}: r = raw({SyscallNumber.Of(step.Call, program.Architecture)}");
            for (int a = 0; a < 6; a++)
                text.Append(", ").Append(a < step.Arguments.Length ? Argument(program, step.Arguments[a], i, a) : "0");
            text.Append(");");
            if (step.Result is { } slot)
                text.Append($" *(long*)(m + {program.Slots[slot]}) = r;");
            string tolerated = string.Join(" || ", step.Tolerated.Select(e => $"r == -{(int)e}"));
            if (tolerated.Length > 0)
                text.Append($" if ({tolerated}) goto {Target(i + 1 + step.SkipOnTolerated, range)};");
            text.Append($" if (r < 0 && r > -4096) return fail({i}, r);");
            if (step.Rule == StepRule.NonzeroFails)
                text.Append($" if (r) return fail({i}, 0);");
            if (step.SkipOnSuccess != 0)
                text.Append($" goto {Target(i + 1 + step.SkipOnSuccess, range)};");
            text.Append('\n');
        }

        text.Append($"s{range.End}: __attribute__((unused));\n");
    }

    private static string Target(int index, StepRange range) => string.Create(CultureInfo.InvariantCulture, $"s{Math.Min(index, range.End)}");

    private static string Argument(SyscallProgram program, StepArgument argument, int step, int index) => argument switch
    {
        WordArgument word => $"0x{word.Value:x}UL",
        SlotArgument slot => $"*(long*)(m + {program.Slots[slot.Slot]})",
        _ => $"(unsigned long)(m + {BitConverter.ToUInt64(program.Image, SyscallProgram.StepOffset(step) + InterpreterLayout.StepArguments + (index * 8))})",
    };
}
