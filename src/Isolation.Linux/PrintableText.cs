using System.Globalization;
using System.Text;

namespace Isolation.Linux;

/// <summary>Text that somebody else chose (program names, paths, arguments), safe to print on a terminal and in a log.</summary>
/// <remarks>A process sets its own name by prctl(2) <c>PR_SET_NAME</c>, and a path may hold any byte but NUL. Printed as they are, both
/// can move the cursor, set the terminal's title or forge further lines. See console_codes(4) and ECMA-48.</remarks>
public static class PrintableText
{
    /// <summary>Escapes everything that is not visible, as C does: <c>\n</c>, <c>\x1b</c>, <c>\u202e</c>.</summary>
    /// <remarks>Escaped are control characters (C0, DEL, C1), format characters (which reorder or hide the text around them), separators
    /// of lines and paragraphs, surrogates without a partner, private and unassigned code points. A backslash becomes two, so that no two
    /// texts print alike. Blanks and all other letters and signs stay.</remarks>
    public static string Of(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int first = FirstEscaped(text);
        if (first < 0)
            return text;
        var printed = new StringBuilder(text, 0, first, text.Length + 16);
        for (int at = first; at < text.Length;)
        {
            bool whole = Rune.TryGetRuneAt(text, at, out Rune rune);
            if (whole && !IsEscaped(rune))
                printed.Append(text, at, rune.Utf16SequenceLength);
            else
                printed.Append(Escape(whole ? rune.Value : text[at]));
            at += whole ? rune.Utf16SequenceLength : 1;
        }

        return printed.ToString();
    }

    private static int FirstEscaped(string text)
    {
        for (int at = 0; at < text.Length;)
        {
            if (!Rune.TryGetRuneAt(text, at, out Rune rune) || IsEscaped(rune))
                return at;
            at += rune.Utf16SequenceLength;
        }

        return -1;
    }

    private static bool IsEscaped(Rune rune) => rune.Value == '\\' || Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control
        or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.Surrogate
        or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned;

    private static string Escape(int code) => code switch
    {
        '\\' => "\\\\",
        '\t' => "\\t",
        '\n' => "\\n",
        '\r' => "\\r",
        < 0x100 => FormattableString.Invariant($"\\x{code:x2}"),
        < 0x10000 => FormattableString.Invariant($"\\u{code:x4}"),
        _ => FormattableString.Invariant($"\\U{code:x8}"),
    };
}
