namespace Isolation.Security;

/// <summary>What Landlock can restrict on ports: <c>LANDLOCK_ACCESS_NET_*</c>. Addresses are not told apart.</summary>
[Flags]
public enum LandlockNetAccess : ulong
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary><c>BIND_TCP</c>: bind a TCP socket to a port. ABI 4, Linux 6.7.</summary>
    BindTcp = 1,

    /// <summary><c>CONNECT_TCP</c>: connect a TCP socket to a port. ABI 4, Linux 6.7.</summary>
    ConnectTcp = 2,

    /// <summary><c>BIND_UDP</c>: bind a UDP socket to a port; port 0 stands for one that the kernel chooses. ABI 10, Linux 7.2.</summary>
    BindUdp = 4,

    /// <summary><c>CONNECT_SEND_UDP</c>: connect a UDP socket, or send, to a port. ABI 10, Linux 7.2.</summary>
    ConnectSendUdp = 8,
}
