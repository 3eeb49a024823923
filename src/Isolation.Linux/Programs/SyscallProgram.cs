using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Isolation.Linux.Programs;

/// <summary>Flat words and one arena: the plan as the interpreters run it. Position independent, immutable, reusable.</summary>
internal sealed class SyscallProgram
{
    internal SyscallProgram(Architecture architecture, ImmutableArray<SyscallStep> steps, byte[] image, int[] relocations,
        FrozenDictionary<Slot, int> slots)
    {
        Architecture = architecture;
        Steps = steps;
        Image = image;
        Relocations = relocations;
        Slots = slots;
    }

    internal Architecture Architecture { get; }

    internal ImmutableArray<SyscallStep> Steps { get; }

    /// <summary>The memory image for address 0.</summary>
    internal byte[] Image { get; }

    /// <summary>Offsets of the words to which the real address is added.</summary>
    internal int[] Relocations { get; }

    /// <summary>Where each slot lies in the image.</summary>
    internal FrozenDictionary<Slot, int> Slots { get; }

    internal static int StepOffset(int index) => InterpreterLayout.Steps + (index * InterpreterLayout.StepSize);

    /// <summary>The printed form: a line a step, as strace would show it.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        for (int i = 0; i < Steps.Length; i++)
            text.Append(CultureInfo.InvariantCulture, $"{i,3}  {Steps[i]}\n");
        return text.ToString();
    }
}
