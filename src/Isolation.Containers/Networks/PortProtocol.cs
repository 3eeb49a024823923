using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Isolation.Containers;

/// <summary>A transport protocol with ports.</summary>
public enum PortProtocol : byte
{
    /// <summary>TCP.</summary>
    Tcp = 6,

    /// <summary>UDP.</summary>
    Udp = 17,

    /// <summary>SCTP.</summary>
    Sctp = 132,
}
