using Isolation.Linux.Abi;

namespace Isolation.Net.Conntrack;

/// <summary>The status of a tracked connection: <c>IPS_*</c>. Bits that have no name here are kept.</summary>
[Flags]
public enum ConntrackStatus : uint
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Another connection announced it.</summary>
    Expected = NfConntrack.IPS_EXPECTED,

    /// <summary>There were packets both ways.</summary>
    SeenReply = NfConntrack.IPS_SEEN_REPLY,

    /// <summary>It is not dropped early when the table is full.</summary>
    Assured = NfConntrack.IPS_ASSURED,

    /// <summary>Its first packet has left.</summary>
    Confirmed = NfConntrack.IPS_CONFIRMED,

    /// <summary>Its source is translated.</summary>
    SourceNat = NfConntrack.IPS_SRC_NAT,

    /// <summary>Its destination is translated.</summary>
    DestinationNat = NfConntrack.IPS_DST_NAT,

    /// <summary>It is about to go.</summary>
    Dying = NfConntrack.IPS_DYING,
}
