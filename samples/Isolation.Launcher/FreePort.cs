using System.Net;
using Isolation.Containers;

namespace Isolation.Launcher;

/// <summary>Free ports of the host, by the flag that asked for them: the same command line is read again where a flag is looked for that is
/// at fault.</summary>
internal static class FreePort
{
    private static readonly Dictionary<(string Flag, int Index), PublishedPort> s_found = [];

    /// <summary>Finds one.</summary>
    internal static PublishedPort Find(string flag, int index, ushort inside, IPAddress? address, PortProtocol protocol)
    {
        if (!s_found.TryGetValue((flag, index), out PublishedPort? port))
            s_found[(flag, index)] = port = PublishedPort.OnFreePort(inside, address, protocol);
        return port;
    }
}
