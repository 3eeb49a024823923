using System.Net.Sockets;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Conntrack;

/// <summary>A connection that the kernel tracks, for state matches and for translated addresses: a line of <c>conntrack -L</c>.</summary>
/// <param name="Original">The direction of its first packet, as that came in.</param>
/// <param name="Reply">The direction of the answers, as they come in: where addresses are translated,
/// not the reverse of the original one.</param>
public sealed record ConntrackEntry(ConntrackTuple Original, ConntrackTuple Reply)
{
    /// <summary>What is known of it.</summary>
    public ConntrackStatus Status { get; init; }

    /// <summary>How long it lives on without a packet.</summary>
    public TimeSpan Timeout { get; init; }

    /// <summary>Its mark: <c>ct mark</c>.</summary>
    public uint Mark { get; init; }

    /// <summary>Its zone: connections of different zones may have the same tuples.</summary>
    public ushort Zone { get; init; }

    /// <summary>The kernel's number of it; 0 where it was not read.</summary>
    public uint Id { get; init; }

    /// <summary>Both directions, as <c>conntrack -L</c> writes them.</summary>
    public override string ToString() => $"{Name(Original.Protocol)} {Original} {Reply}"
        + $"{(Status.HasFlag(ConntrackStatus.Assured) ? " [ASSURED]" : Status.HasFlag(ConntrackStatus.SeenReply) ? "" : " [UNREPLIED]")}";

    internal static ConntrackEntry Read(AttributeReader reader)
    {
        ConntrackTuple? original = null, reply = null;
        uint status = 0, timeout = 0, mark = 0, id = 0;
        ushort zone = 0;
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case NfConntrack.CTA_TUPLE_ORIG:
                    original = ConntrackTuple.Read(reader.Nested);
                    break;
                case NfConntrack.CTA_TUPLE_REPLY:
                    reply = ConntrackTuple.Read(reader.Nested);
                    break;
                case NfConntrack.CTA_STATUS:
                    status = reader.BigEndianUInt32;
                    break;
                case NfConntrack.CTA_TIMEOUT:
                    timeout = reader.BigEndianUInt32;
                    break;
                case NfConntrack.CTA_MARK:
                    mark = reader.BigEndianUInt32;
                    break;
                case NfConntrack.CTA_ID:
                    id = reader.BigEndianUInt32;
                    break;
                case NfConntrack.CTA_ZONE:
                    zone = reader.BigEndianUInt16;
                    break;
            }
        }

        if (original is null || reply is null)
            throw NetlinkException.Malformed("A tracked connection lacks one of its directions.");
        return new ConntrackEntry(original, reply)
        { Status = (ConntrackStatus)status, Timeout = TimeSpan.FromSeconds(timeout), Mark = mark, Zone = zone, Id = id };
    }

    private static string Name(byte protocol) => Enum.IsDefined((ProtocolType)protocol) ? ((ProtocolType)protocol).ToString()
        .ToLowerInvariant() : protocol == 132 ? "sctp" : System.FormattableString.Invariant($"{protocol}");
}
