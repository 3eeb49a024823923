using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables;

/// <summary>Comments and the like, which the kernel keeps for nft(8) without looking at them:
/// a byte of type, one of length, and the value.</summary>
internal static class NftUserData
{
    private const byte Comment = 0;

    internal static void PutComment(NetlinkWriter writer, ushort type, string? comment)
    {
        if (comment is not null)
            writer.Put(type, OfComment(comment, Comment));
    }

    internal static byte[] OfComment(string comment, byte kind)
    {
        byte[] text = System.Text.Encoding.UTF8.GetBytes(comment);
        if (text.Length > 127 || comment.Contains('\0', StringComparison.Ordinal))
            throw new ArgumentException($"A comment in nftables has at most 127 bytes, and no NUL; this one has {text.Length}.");
        return Of(kind, [.. text, 0]);
    }

    internal static byte[] Of(byte kind, ReadOnlySpan<byte> data) => [kind, (byte)data.Length, .. data];

    internal static string? ReadComment(ReadOnlySpan<byte> data, byte kind = Comment) =>
        Find(data, kind) is { Length: > 0 } text ? System.Text.Encoding.UTF8.GetString(text).TrimEnd('\0') : null;

    /// <summary>The data of a kind; empty where there is none.</summary>
    internal static ReadOnlySpan<byte> Find(ReadOnlySpan<byte> data, byte kind)
    {
        while (data.Length >= 2)
        {
            int length = data[1];
            if (data.Length < 2 + length)
                return [];
            if (data[0] == kind && length > 0)
                return data.Slice(2, length);
            data = data[(2 + length)..];
        }

        return [];
    }
}
