using System.Globalization;
using System.Text;

namespace Isolation.Linux.Tests;

/// <summary>What somebody else chose is printed without effect on a terminal or on the lines around it.</summary>
public class PrintableTextTests
{
    [Theory]
    [InlineData("sh", "sh")]
    [InlineData("my program", "my program")]
    [InlineData("żółw-龜-🐢", "żółw-龜-🐢")]
    [InlineData("", "")]
    [InlineData("a\nb\tc\rd", @"a\nb\tc\rd")]
    [InlineData("\u001b[2J\u001b]0;title\u0007", @"\x1b[2J\x1b]0;title\x07")] // console_codes(4): clear, set the title
    [InlineData("a\u009b31mb", @"a\x9b31mb")] // the one-byte CSI
    [InlineData("a\u007f\0b", @"a\x7f\x00b")]
    [InlineData(@"C:\n", @"C:\\n")]
    [InlineData("evil\u202etxt.sh", @"evil\u202etxt.sh")] // the right-to-left override
    [InlineData("a\u2028b\u2029c\u200bd", @"a\u2028b\u2029c\u200bd")]
    [InlineData("tag\U000e0041", @"tag\U000e0041")]
    public void Control_characters_and_what_is_invisible_are_escaped(string text, string printed) =>
        Assert.Equal(printed, PrintableText.Of(text));

    [Fact]
    public void A_surrogate_without_a_partner_is_escaped()
    {
        Assert.Equal(@"a\ud83db", PrintableText.Of("a" + (char)0xd83d + "b"));
        Assert.Equal(@"\udc22", PrintableText.Of(((char)0xdc22).ToString()));
    }

    [Fact]
    public void Nothing_that_a_terminal_acts_on_is_left_of_any_character_and_no_two_print_alike()
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (int code in Enumerable.Range(0, 0x20000).Concat(Enumerable.Range(0xe0000, 0x1000)))
        {
            string text = Rune.IsValid(code) ? new Rune(code).ToString() : ((char)code).ToString();
            string printed = PrintableText.Of(text);
            Assert.True(seen.Add(printed), string.Create(CultureInfo.InvariantCulture, $"U+{code:X4} prints as another character does"));
            Assert.True(
                printed.EnumerateRunes().All(IsVisible), string.Create(CultureInfo.InvariantCulture, $"U+{code:X4} is printed as it is"));
        }
    }

    // ECMA-48: controls are 00-1F, 7F and 80-9F.
    private static bool IsVisible(Rune rune) =>
        rune.Value is (>= 0x20 and < 0x7f) or >= 0xa0 && Rune.GetUnicodeCategory(rune) is not UnicodeCategory.Format;
}
