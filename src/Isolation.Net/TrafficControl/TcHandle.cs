using System.Globalization;
using Isolation.Linux.Abi;

namespace Isolation.Net.TrafficControl;

/// <summary>The number of a queueing discipline or class: <c>MAJOR:MINOR</c>, in hexadecimal,
/// as tc(8) writes it. A discipline's minor is 0.</summary>
public readonly record struct TcHandle
{
    /// <summary>Initialises a handle.</summary>
    public TcHandle(ushort major, ushort minor = 0) => Value = (uint)(major << 16 | minor);

    internal TcHandle(uint value) => Value = value;

    /// <summary>The place of a link's outermost discipline: <c>root</c>.</summary>
    public static TcHandle Root { get; } = new(PktSched.TC_H_ROOT);

    /// <summary>The place of the ingress and clsact disciplines.</summary>
    public static TcHandle Ingress { get; } = new(PktSched.TC_H_INGRESS);

    /// <summary>What filters of packets that come in have as their parent, below ingress or clsact: <c>ffff:fff2</c>.</summary>
    public static TcHandle ClsactIngress { get; } = new(0xffff, PktSched.TC_H_MIN_INGRESS);

    /// <summary>What filters of packets that go out have as their parent, below clsact: <c>ffff:fff3</c>.</summary>
    public static TcHandle ClsactEgress { get; } = new(0xffff, PktSched.TC_H_MIN_EGRESS);

    /// <summary>What filters below an ingress discipline have as their parent: <c>ffff:</c>.</summary>
    public static TcHandle IngressQdisc { get; } = new(0xffff);

    /// <summary>No handle: the kernel chooses.</summary>
    public static TcHandle None { get; }

    /// <summary>The major number.</summary>
    public ushort Major => (ushort)(Value >> 16);

    /// <summary>The minor number.</summary>
    public ushort Minor => (ushort)Value;

    internal uint Value { get; }

    /// <summary>Reads <c>1:10</c>, <c>1:</c>, <c>root</c>, <c>ingress</c>.</summary>
    /// <exception cref="FormatException">The text is no handle.</exception>
    public static TcHandle Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text == "root")
            return Root;
        if (text is "ingress" or "clsact")
            return Ingress;
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        ushort minor = 0;
        return colon > 0
            && ushort.TryParse(text.AsSpan(0, colon), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ushort major)
            && (colon == text.Length - 1
                || ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out minor))
            ? new TcHandle(major, minor) : throw new FormatException($"\"{text}\" is not a handle of traffic control, such as 1:10.");
    }

    /// <summary>The handle as tc(8) writes it.</summary>
    public override string ToString() => Value == PktSched.TC_H_ROOT ? "root" : Value == PktSched.TC_H_INGRESS ? "ingress"
        : Minor == 0 ? string.Create(CultureInfo.InvariantCulture, $"{Major:x}:")
        : string.Create(CultureInfo.InvariantCulture, $"{Major:x}:{Minor:x}");
}
