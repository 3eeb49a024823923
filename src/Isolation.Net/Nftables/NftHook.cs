namespace Isolation.Net.Nftables;

/// <summary>Where on a packet's way a chain is asked. See nft(8), "Address families".</summary>
public enum NftHook
{
    /// <summary>When it has come in, before it is routed.</summary>
    Prerouting,

    /// <summary>When it is for this host.</summary>
    Input,

    /// <summary>When it goes on to elsewhere.</summary>
    Forward,

    /// <summary>When this host sends it.</summary>
    Output,

    /// <summary>Before it leaves.</summary>
    Postrouting,

    /// <summary>When a link has received it.</summary>
    Ingress,

    /// <summary>When a link is about to send it. Since Linux 5.16.</summary>
    Egress,
}
