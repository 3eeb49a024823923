using System.Text;

namespace Isolation.Linux;

/// <summary>Text for the kernel: UTF-8, encoded once, ended by its only NUL.</summary>
internal readonly struct CString
{
    private readonly byte[] _bytes;

    /// <summary>Encodes text. A NUL inside would cut it short in the kernel, so it is refused.</summary>
    internal CString(string text)
    {
        if (text.Contains('\0', StringComparison.Ordinal))
            throw new ArgumentException($"\"{text.Replace("\0", "\\0", StringComparison.Ordinal)}\" contains a NUL character.",
                nameof(text));
        Text = text;
        _bytes = new byte[Encoding.UTF8.GetByteCount(text) + 1];
        Encoding.UTF8.GetBytes(text, _bytes);
    }

    internal string Text { get; }

    /// <summary>The encoded bytes with the ending NUL.</summary>
    internal ReadOnlySpan<byte> Bytes => _bytes;

    public override string ToString() => Text;
}
