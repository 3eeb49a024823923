using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using Isolation.Net.Routing;

namespace Isolation.Net.Nftables;

/// <summary>A value as people write it: a number, an address, a network, a name, a range, several of them.
/// What it becomes depends on the type of what it is compared with.</summary>
public sealed class NftValue
{
    private NftValue(object content) => Content = content;

    internal object Content { get; }

    /// <summary>Whether it is nft's word for all that no other element of a set has.</summary>
    internal bool IsCatchAll => Content is "*";

    /// <summary>All from one value to another.</summary>
    public static NftValue Range(NftValue from, NftValue to) =>
        new((from ?? throw new ArgumentNullException(nameof(from)), to ?? throw new ArgumentNullException(nameof(to))));

    /// <summary>Several values, for several fields: <c>10.0.0.1 . tcp . 80</c>.</summary>
    public static NftValue Concatenate(params IEnumerable<NftValue> parts) => new(parts.ToImmutableArray());

    /// <summary>A number.</summary>
    public static implicit operator NftValue(long number) => new(number);

    /// <summary>An address.</summary>
    public static implicit operator NftValue(IPAddress address) => new(address);

    /// <summary>All addresses of a network.</summary>
    public static implicit operator NftValue(IPNetwork network) => new(network);

    /// <summary>A hardware address.</summary>
    public static implicit operator NftValue(PhysicalAddress address) => new(address);

    /// <summary>Text: a name of the type, or a value, network or range as nft(8) writes it.</summary>
    public static implicit operator NftValue(string text) => new(text);

    /// <inheritdoc/>
    public override string ToString() => Content switch
    {
        (NftValue from, NftValue to) => $"{from}-{to}",
        ImmutableArray<NftValue> parts => string.Join(" . ", parts),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        PhysicalAddress address => LinkNames.Format(address),
        _ => Content.ToString()!,
    };
}

/// <summary>A value, or all values from one to another, as the kernel keeps them.</summary>
internal readonly record struct NftInterval(NftData From, NftData To)
{
    internal bool IsSingle => From == To;

    /// <summary>How many leading bits all of its values share and no others do; null where it is no such block.</summary>
    internal int? PrefixLength
    {
        get
        {
            int bits = From.Length * 8, shared = 0;
            while (shared < bits && Bit(From, shared) == Bit(To, shared))
                shared++;
            for (int i = shared; i < bits; i++)
            {
                if (Bit(From, i) || !Bit(To, i))
                    return null;
            }

            return shared;
        }
    }

    private static bool Bit(NftData data, int index) => (data.Bytes[index / 8] & (0x80 >> (index % 8))) != 0;
}
