using System.Runtime.InteropServices;

namespace Isolation.Containers;

/// <summary>What a standard stream of the program is connected to.</summary>
public abstract record Stdio
{
    /// <summary>The same as this process's.</summary>
    public static Stdio Inherit { get; } = new InheritStdio();

    /// <summary>/dev/null.</summary>
    public static Stdio Null { get; } = new NullStdio();

    /// <summary>A pipe whose other end is a stream of <see cref="ContainerProcess"/>.</summary>
    public static Stdio Pipe { get; } = new PipeStdio();

    /// <summary>A file of the host.</summary>
    /// <param name="path">An absolute path, opened by this process; for output it is made where it is missing.</param>
    /// <param name="append">For output: whether to add to the file rather than to empty it.</param>
    public static Stdio File(string path, bool append = false) => new FileStdio(path, append);

    /// <summary>A descriptor that this process has open. The handle stays the caller's.</summary>
    public static Stdio Handle(SafeHandle handle) => new HandleStdio(handle);
}

internal sealed record InheritStdio : Stdio;

internal sealed record NullStdio : Stdio;

internal sealed record PipeStdio : Stdio;

internal sealed record FileStdio(string Path, bool Append) : Stdio;

internal sealed record HandleStdio(SafeHandle SafeHandle) : Stdio;

/// <summary>A descriptor of this process that the program gets, beyond the standard streams.</summary>
/// <param name="Handle">The handle, which stays the caller's.</param>
/// <param name="Target">The number in the program, 3 or more.</param>
public sealed record PassedDescriptor(SafeHandle Handle, int Target);
