using Isolation.Linux;

namespace Isolation.Security;

/// <summary>A filter is too long for the kernel: <c>BPF_MAXINSNS</c>, 4096 instructions.</summary>
public sealed class SeccompLimitException : IsolationException
{
    internal const int Maximum = 4096;

    /// <summary>Initialises the exception from its facts.</summary>
    /// <param name="instructions">How many instructions the filter needs.</param>
    /// <param name="largest">The calls whose conditions take most of them.</param>
    public SeccompLimitException(int instructions, string largest)
        : this(instructions, $"The filter needs {instructions} instructions; the kernel takes at most {Maximum}.",
            $"Most are for the conditions of {largest}: use ranges or masks there, fewer architectures, or several filters.")
    {
    }

    private SeccompLimitException(int instructions, string fact, string remedy) : base($"{fact} {remedy}", remedy) =>
        Instructions = instructions;

    /// <summary>How many instructions the filter needs.</summary>
    public int Instructions { get; }
}
