using System.Buffers.Binary;
using System.Collections.Frozen;
using System.Globalization;
using System.Text;
using Isolation.Linux.Abi;

namespace Isolation.Net.Netlink;

/// <summary>The names of the attributes at one place of a message, and what is nested in them.</summary>
internal sealed class AttributeSpace(string[] names, params (ushort Type, AttributeSpace Inner)[] nested)
{
    private readonly FrozenDictionary<ushort, AttributeSpace> _nested = nested.ToFrozenDictionary(n => n.Type, n => n.Inner);

    /// <summary>Where nested attributes depend on a text beside them: link kinds, queueing disciplines.</summary>
    internal (ushort KindType, ushort DataType, FrozenDictionary<string, AttributeSpace> Kinds)? ByKind { get; init; }

    /// <summary>Attributes that are numbers of a list, each of which holds attributes of this space.</summary>
    internal AttributeSpace? Elements { get; init; }

    internal int HeaderLength { get; init; }

    internal string NameOf(ushort type) => Elements is not null ? string.Create(CultureInfo.InvariantCulture, $"[{type}]")
        : type < names.Length && names[type].Length > 0 ? names[type] : string.Create(CultureInfo.InvariantCulture, $"attribute {type}");

    /// <summary>The path to the attribute at an offset into the attributes; null where there is none.</summary>
    internal string? PathAt(ReadOnlySpan<byte> attributes, int offset) => Walk(attributes, 0, offset, new StringBuilder());

    /// <summary>The space that an attribute at an offset holds: where a missing one would have stood.</summary>
    internal string Missing(ReadOnlySpan<byte> attributes, int? nest, ushort type)
    {
        if (nest is { } offset && PathAt(attributes, offset) is { } path)
            return $"{path}.{Find(attributes, offset)?.NameOf(type) ?? string.Create(CultureInfo.InvariantCulture, $"attribute {type}")}";
        return NameOf(type);
    }

    private string? Walk(ReadOnlySpan<byte> attributes, int start, int offset, StringBuilder path)
    {
        for (int at = HeaderLength; at + 4 <= attributes.Length;)
        {
            int length = BinaryPrimitives.ReadUInt16LittleEndian(attributes[at..]);
            if (length < 4 || at + length > attributes.Length)
                return null;
            ushort type = (ushort)(BinaryPrimitives.ReadUInt16LittleEndian(attributes[(at + 2)..]) & NetlinkAbi.NLA_TYPE_MASK);
            if (offset >= start + at && offset < start + at + length)
            {
                path.Append(path.Length == 0 ? "" : ".").Append(NameOf(type));
                if (offset > start + at && Inner(type, attributes) is { } inner)
                    inner.Walk(attributes.Slice(at + 4, length - 4), start + at + 4, offset, path);
                return path.ToString();
            }

            at += NetlinkWriter.Align(length);
        }

        return null;
    }

    private AttributeSpace? Find(ReadOnlySpan<byte> attributes, int offset)
    {
        for (int at = HeaderLength; at + 4 <= attributes.Length;)
        {
            int length = BinaryPrimitives.ReadUInt16LittleEndian(attributes[at..]);
            if (length < 4 || at + length > attributes.Length)
                return null;
            ushort type = (ushort)(BinaryPrimitives.ReadUInt16LittleEndian(attributes[(at + 2)..]) & NetlinkAbi.NLA_TYPE_MASK);
            if (offset == at)
                return Inner(type, attributes);
            if (offset > at && offset < at + length)
                return Inner(type, attributes)?.Find(attributes.Slice(at + 4, length - 4), offset - at - 4);
            at += NetlinkWriter.Align(length);
        }

        return null;
    }

    private AttributeSpace? Inner(ushort type, ReadOnlySpan<byte> siblings)
    {
        if (Elements is not null)
            return Elements;
        if (ByKind is not { } kinds || kinds.DataType != type)
            return _nested.GetValueOrDefault(type);
        for (int at = HeaderLength; at + 4 <= siblings.Length;)
        {
            int length = BinaryPrimitives.ReadUInt16LittleEndian(siblings[at..]);
            if (length < 4 || at + length > siblings.Length)
                return null;
            if ((BinaryPrimitives.ReadUInt16LittleEndian(siblings[(at + 2)..]) & NetlinkAbi.NLA_TYPE_MASK) == kinds.KindType)
                return kinds.Kinds.GetValueOrDefault(Encoding.UTF8.GetString(siblings.Slice(at + 4, length - 4)).TrimEnd('\0'));
            at += NetlinkWriter.Align(length);
        }

        return null;
    }
}
