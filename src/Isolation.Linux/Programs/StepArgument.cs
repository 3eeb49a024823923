using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;

namespace Isolation.Linux.Programs;

/// <summary>One argument of a system call in a program. <see cref="Text"/> is its printed form.</summary>
internal abstract record StepArgument(string Text)
{
    public sealed override string ToString() => Text;

    public static implicit operator StepArgument(int value) => Word(unchecked((ulong)value));

    public static implicit operator StepArgument(uint value) => Word(value);

    public static implicit operator StepArgument(ulong value) => Word(value);

    public static implicit operator StepArgument(Slot slot) => new SlotArgument(slot);

    public static implicit operator StepArgument(string text) => String(text);

    internal static StepArgument Word(ulong value, string? text = null) => new WordArgument(value,
        text ?? (value < 4096 || value > ulong.MaxValue - 4096 ? ((long)value).ToString(CultureInfo.InvariantCulture) : $"0x{value:x}"));

    /// <summary>A flag word with its kernel spelling for the printed form.</summary>
    internal static StepArgument Flags(ulong value, string names) => new WordArgument(value, names);

    internal static StepArgument String(string text)
    {
        var encoded = new CString(text);
        return new DataArgument(Quote(text), [.. encoded.Bytes]);
    }

    internal static StepArgument Bytes(ReadOnlySpan<byte> bytes, string text) => new DataArgument(text, [.. bytes]);

    /// <summary>Relative paths start at the working directory.</summary>
    internal static StepArgument CurrentDirectory { get; } = new WordArgument(unchecked((ulong)Abi.Fcntl.AT_FDCWD), "AT_FDCWD");

    /// <summary>No pointer.</summary>
    internal static StepArgument Null { get; } = new WordArgument(0, "NULL");

    /// <summary>A NULL-ended array of strings, as for argv.</summary>
    internal static StepArgument StringArray(IEnumerable<string> strings) => Array([.. strings.Select(String)]);

    /// <summary>Variables of an environment, of which the names alone are printed: values may be secrets.</summary>
    internal static StepArgument Variables(IEnumerable<KeyValuePair<string, string>> variables) =>
        Array([.. variables.Select(v => String($"{v.Key}={v.Value}") with { Text = Quote($"{v.Key}=***") })]);

    private static DataArgument Array(ImmutableArray<StepArgument> items)
    {
        return new DataArgument($"[{string.Join(", ", items)}]", [.. new byte[(items.Length + 1) * 8]])
        {
            Pointers = [.. items.Select((item, i) => (i * 8, item))],
        };
    }

    /// <summary>The address of a slot, for calls that fill in or read memory.</summary>
    internal static StepArgument AddressOf(Slot slot) => new SlotAddressArgument(slot);

    /// <summary>Room for two descriptors, which pipe2 and socketpair fill in:
    /// -1 until then, so that a launch that fails before closes nothing.</summary>
    internal static StepArgument DescriptorPair(Slot first, Slot second) =>
        new DataArgument($"[{first}, {second}]", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0])
        { Slots = [(0, first), (4, second)] };

    /// <summary>Little-endian 64-bit words, as most extensible structs of the kernel are.</summary>
    internal static StepArgument Words(string text, params ReadOnlySpan<ulong> words)
    {
        var bytes = new byte[words.Length * 8];
        for (int i = 0; i < words.Length; i++)
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(i * 8), words[i]);
        return new DataArgument(text, [.. bytes]);
    }

    private static string Quote(string text) => "\"" + string.Concat(text.Select(c => c switch
    {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\n' => "\\n",
        < ' ' => $"\\x{(int)c:x2}",
        _ => c.ToString(),
    })) + "\"";
}

/// <summary>An immediate word.</summary>
internal sealed record WordArgument(ulong Value, string Text) : StepArgument(Text);

/// <summary>The address of bytes in the arena, which may hold pointers to further data and slots of their own.</summary>
internal sealed record DataArgument(string Text, ImmutableArray<byte> Content) : StepArgument(Text)
{
    /// <summary>Where in the content a pointer to another argument's data stands.</summary>
    internal ImmutableArray<(int Offset, StepArgument Pointee)> Pointers { get; init; } = [];

    /// <summary>Slots that live inside the content: a descriptor within a struct, filled by an earlier step.</summary>
    internal ImmutableArray<(int Offset, Slot Slot)> Slots { get; init; } = [];
}

/// <summary>The value of a slot at the time the step runs.</summary>
internal sealed record SlotArgument(Slot Slot) : StepArgument(Slot.ToString());

/// <summary>The address of a slot.</summary>
internal sealed record SlotAddressArgument(Slot Slot) : StepArgument("&" + Slot);
