using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables.Expressions;

/// <summary>An expression that this library does not know, kept as it was read; written, it is the same again.</summary>
/// <param name="Kind">The kernel's name.</param>
/// <param name="Content">Its attributes.</param>
public sealed record UnknownExpression(string Kind, NftData Content) : NftExpression
{
    internal override string Name => Kind;

    internal override void Write(NetlinkWriter writer)
    {
        var reader = new AttributeReader(Content.Bytes);
        while (reader.MoveNext())
            writer.Put(reader.Type, reader.Value);
    }
}
