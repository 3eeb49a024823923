namespace Isolation.Containers;

/// <summary>A line that a program wrote.</summary>
/// <param name="Source">The stream that it was written to.</param>
/// <param name="Text">The line, decoded from UTF-8, without the newline. Bytes that are not UTF-8 become U+FFFD.</param>
public readonly record struct OutputLine(OutputSource Source, string Text)
{
    /// <summary>The longest line, in bytes. A longer one comes in parts.</summary>
    public const int MaxBytes = 65_536;

    /// <summary>Whether the line goes on in the next one from the same stream, because it is longer than
    /// <see cref="MaxBytes"/>.</summary>
    public bool IsPartial { get; init; }

    /// <summary>The text.</summary>
    public override string ToString() => Text;
}
