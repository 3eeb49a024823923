namespace Isolation.Net.Netlink;

/// <summary>Attributes that an object has no property for: kept as they were read, and written back, so that what is read and added again
/// is never wider than it was.</summary>
internal readonly struct KeptAttributes : IEquatable<KeptAttributes>
{
    private readonly byte[]? _bytes;

    private KeptAttributes(byte[] bytes) => _bytes = bytes;

    internal ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>These, and the attribute at which a reader is.</summary>
    internal KeptAttributes With(AttributeReader reader) =>
        new([.. Bytes, .. reader.Raw, .. new byte[NetlinkWriter.Align(reader.Raw.Length) - reader.Raw.Length]]);

    public bool Equals(KeptAttributes other) => Bytes.SequenceEqual(other.Bytes);

    public override bool Equals(object? obj) => obj is KeptAttributes other && Equals(other);

    public override int GetHashCode() => Bytes.Length;
}
