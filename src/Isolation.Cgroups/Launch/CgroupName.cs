using System.Text;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Cgroups;

/// <summary>The name of a container's control group: given, or made anew for each launch of a plan.</summary>
internal sealed class CgroupName
{
    internal const string Prefix = "isolation-";

    private const int IdLength = 16;
    private readonly string? _fixed;
    private readonly Slot _first = new("id-first"), _second = new("id-second");

    internal CgroupName(string? name)
    {
        _fixed = name is null ? null : Prefix + name;
        byte[] content = [.. Encoding.ASCII.GetBytes(Prefix), .. new byte[IdLength + 1]];
        Argument = _fixed is not null
            ? StepArgument.String(_fixed)
            : new DataArgument($"\"{Prefix}ID\"", [.. content]) { Slots = [(Prefix.Length, _first), (Prefix.Length + 8, _second)] };
    }

    /// <summary>The name as an argument of steps.</summary>
    internal StepArgument Argument { get; }

    /// <summary>Chooses the name of one launch, and writes it to the program's memory.</summary>
    internal string Choose(ProgramMemory memory)
    {
        if (_fixed is not null)
            return _fixed;
        Span<byte> random = stackalloc byte[IdLength / 2];
        RandomSyscalls.Fill(random);
        string id = Convert.ToHexStringLower(random);
        memory.Int64At(_first) = BitConverter.ToInt64(Encoding.ASCII.GetBytes(id, 0, 8));
        memory.Int64At(_second) = BitConverter.ToInt64(Encoding.ASCII.GetBytes(id, 8, 8));
        return Prefix + id;
    }
}
