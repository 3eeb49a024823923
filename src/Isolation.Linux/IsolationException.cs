namespace Isolation.Linux;

/// <summary>The base of what this library throws when the kernel, the host or a container refuses or fails.</summary>
/// <remarks>A wrong argument is an <see cref="ArgumentException"/>, a text of the wrong form a <see cref="FormatException"/>, and a
/// cancelled call an <see cref="OperationCanceledException"/>, as everywhere in .NET.</remarks>
public abstract class IsolationException : Exception
{
    /// <summary>Initialises the exception.</summary>
    /// <param name="message">The whole message, remedy included.</param>
    /// <param name="remedy">What to do about it: one sentence, or null.</param>
    /// <param name="innerException">What caused it, or null.</param>
    protected IsolationException(string message, string? remedy = null, Exception? innerException = null)
        : base(message, innerException) => Remedy = remedy;

    /// <summary>What to do about it, with the likely cause where that is not plain: one or two sentences. Null where the message says
    /// enough. It is part of the message.</summary>
    public string? Remedy { get; }
}
