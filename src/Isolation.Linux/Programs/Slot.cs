namespace Isolation.Linux.Programs;

/// <summary>A named 64-bit cell of a program: a step leaves its result there, later steps take it as an argument.</summary>
internal sealed class Slot(string name)
{
    internal string Name { get; } = name;

    public override string ToString() => "#" + Name;
}
