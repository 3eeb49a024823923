using System.Diagnostics.CodeAnalysis;
using Isolation.Linux;

namespace Isolation.Launcher;

/// <summary>The standard streams as text. The runtime's console is not used: it sets the terminal up for itself.</summary>
internal static class StandardStreams
{
    private static TextWriter? s_output, s_error;

    /// <summary>Standard output. Each write is made at once.</summary>
    [AllowNull]
    internal static TextWriter Output
    {
        get => s_output ??= Open(StandardStream.OpenOutput());
        set => s_output = value;
    }

    /// <summary>Standard error. Each write is made at once.</summary>
    [AllowNull]
    internal static TextWriter Error
    {
        get => s_error ??= Open(StandardStream.OpenError());
        set => s_error = value;
    }

    private static StreamWriter Open(StandardStream stream) => new(stream) { AutoFlush = true };
}
