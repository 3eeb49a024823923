using System.Text;

namespace Isolation.Containers;

/// <summary>The captured output of a container, with its result.</summary>
/// <param name="Result">How it ended.</param>
/// <param name="StandardOutputBytes">What it wrote to standard output; empty where that was not captured.</param>
/// <param name="StandardErrorBytes">What it wrote to standard error; empty where that was not captured.</param>
public sealed record ContainerOutput(ContainerResult Result, ReadOnlyMemory<byte> StandardOutputBytes,
    ReadOnlyMemory<byte> StandardErrorBytes)
{
    private string? _standardOutput, _standardError;

    /// <summary>Standard output as text, decoded from UTF-8. Bytes that are not UTF-8 become U+FFFD.</summary>
    public string StandardOutput => _standardOutput ??= Encoding.UTF8.GetString(StandardOutputBytes.Span);

    /// <summary>Standard error as text, decoded from UTF-8. Bytes that are not UTF-8 become U+FFFD.</summary>
    public string StandardError => _standardError ??= Encoding.UTF8.GetString(StandardErrorBytes.Span);

    /// <inheritdoc cref="ContainerResult.ExitCode"/>
    public int ExitCode => Result.ExitCode;

    /// <inheritdoc cref="ContainerResult.IsSuccess"/>
    public bool IsSuccess => Result.IsSuccess;

    /// <summary>Returns this output if the program exited with code 0 and no limit ended it.</summary>
    /// <exception cref="ContainerFailedException">It failed. The message has the end of standard error.</exception>
    public ContainerOutput ThrowIfFailed() => IsSuccess && Result.StreamFailure is null ? this
        : throw new ContainerFailedException(Result, StandardError);

    /// <summary>The result.</summary>
    public override string ToString() => Result.ToString();
}
