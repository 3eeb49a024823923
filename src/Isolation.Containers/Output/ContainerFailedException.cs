using Isolation.Linux;

namespace Isolation.Containers;

/// <summary>A container's program did not exit with code 0, or a limit ended it.</summary>
/// <example><code>
/// try
/// {
///     (await builder.CaptureAsync()).ThrowIfFailed();
/// }
/// catch (ContainerFailedException e)
/// {
///     Console.WriteLine($"{e.Result.ExitCode}: {e.Message}");
/// }
/// </code></example>
public sealed class ContainerFailedException : IsolationException
{
    // Enough for the last lines of a stack trace.
    private const int MaxErrorText = 1024;

    /// <summary>Initialises the exception from a result.</summary>
    /// <param name="result">How the container ended.</param>
    /// <param name="standardError">What it wrote to standard error; the end of it becomes part of the message.</param>
    public ContainerFailedException(ContainerResult result, string standardError = "")
        : base(Compose(result, standardError ?? throw new ArgumentNullException(nameof(standardError))),
            innerException: result.StreamFailure) =>
        Result = result;

    /// <summary>The result of the container.</summary>
    public ContainerResult Result { get; }

    private static string Compose(ContainerResult result, string standardError)
    {
        ArgumentNullException.ThrowIfNull(result);
        string what = result.IsSuccess && result.StreamFailure is { } failure
            ? $"The container's output could not be copied: {failure.Message}"
            : $"The container failed: {result}.";
        string text = standardError.TrimEnd();
        return text.Length == 0 ? what
            : $"{what} Standard error ends with: {PrintableText.Of(text.Length <= MaxErrorText ? text : text[^MaxErrorText..])}";
    }
}
