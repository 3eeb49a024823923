using System.Buffers.Binary;
using Isolation.Linux;
using Isolation.Linux.Abi;

namespace Isolation.Net.Netlink;

/// <summary>What the kernel adds to an error: its own words, and the attribute that it is about. Since Linux 4.12.</summary>
internal readonly record struct ExtendedAck(string? Message, string? AttributePath, int? Offset)
{
    /// <summary>Reads the payload of <c>NLMSG_ERROR</c>: the error number, the request's header, and what is added.</summary>
    /// <param name="payload">The payload.</param>
    /// <param name="flags">The flags of the message.</param>
    /// <param name="request">The request as it was sent, to name the attribute; empty where it is not known.</param>
    /// <param name="protocol">The family.</param>
    internal static (Errno Errno, ExtendedAck Ack) Read(ReadOnlySpan<byte> payload, ushort flags, ReadOnlySpan<byte> request,
        NetlinkProtocol protocol)
    {
        Errno errno = ReadErrno(payload);
        if (payload.Length < 20)
            throw NetlinkException.Malformed($"An acknowledgement has {payload.Length} bytes.");
        if ((flags & NetlinkAbi.NLM_F_ACK_TLVS) == 0)
            return (errno, default);
        int echoed = (flags & NetlinkAbi.NLM_F_CAPPED) != 0
            ? 16
            : Math.Max(16, (int)Math.Min(BinaryPrimitives.ReadUInt32LittleEndian(payload[4..]), int.MaxValue - 8));
        int start = NetlinkWriter.Align(4 + echoed);
        return (errno, start <= payload.Length
            ? ReadAttributes(payload[start..], request, protocol)
            : throw NetlinkException.Malformed("An acknowledgement ends within the request that it repeats."));
    }

    internal static Errno ReadErrno(ReadOnlySpan<byte> payload)
    {
        if (payload.Length < 4)
            throw NetlinkException.Malformed($"An acknowledgement has {payload.Length} bytes.");
        int error = BinaryPrimitives.ReadInt32LittleEndian(payload);
        return error is <= 0 and >= -4095
            ? (Errno)(-error)
            : throw NetlinkException.Malformed($"An acknowledgement has the error number {error}.");
    }

    internal static ExtendedAck ReadAttributes(ReadOnlySpan<byte> attributes, ReadOnlySpan<byte> request, NetlinkProtocol protocol)
    {
        string? message = null;
        int? offset = null, missingNest = null;
        ushort? missing = null;
        var reader = new AttributeReader(attributes);
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case NetlinkAbi.NLMSGERR_ATTR_MSG:
                    message = reader.Text;
                    break;
                case NetlinkAbi.NLMSGERR_ATTR_OFFS:
                    offset = reader.Int32;
                    break;
                case NetlinkAbi.NLMSGERR_ATTR_MISS_TYPE:
                    missing = (ushort)reader.UInt32;
                    break;
                case NetlinkAbi.NLMSGERR_ATTR_MISS_NEST:
                    missingNest = reader.Int32;
                    break;
            }
        }

        return new ExtendedAck(message, PathOf(request, protocol, offset, missing, missingNest), offset);
    }

    private static string? PathOf(ReadOnlySpan<byte> request, NetlinkProtocol protocol, int? offset, ushort? missing, int? missingNest)
    {
        if (request.Length < NetlinkWriter.HeaderLength
            || AttributeSpaces.Of(protocol, BinaryPrimitives.ReadUInt16LittleEndian(request[4..])) is not { } found)
            return null;
        int start = NetlinkWriter.HeaderLength + found.Header;
        if (start > request.Length)
            return null;
        if (missing is { } type)
            return "missing " + found.Space.Missing(request[start..], missingNest - start, type);
        return offset is { } at && at >= start ? found.Space.PathAt(request[start..], at - start) : null;
    }
}
