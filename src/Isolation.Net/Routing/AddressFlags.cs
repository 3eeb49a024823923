namespace Isolation.Net.Routing;

/// <summary>The state of an address: <c>IFA_F_*</c>.</summary>
[Flags]
public enum AddressFlags : uint
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary><c>IFA_F_SECONDARY</c>: not the first of its network; of IPv6, a temporary one.</summary>
    Secondary = 1,

    /// <summary><c>IFA_F_NODAD</c>: used at once, without asking whether somebody else has it.</summary>
    NoDad = 2,

    /// <summary><c>IFA_F_OPTIMISTIC</c>: used while it is asked whether somebody else has it; IPv6 only.</summary>
    Optimistic = 4,

    /// <summary><c>IFA_F_DADFAILED</c>: somebody else has it.</summary>
    DadFailed = 8,

    /// <summary><c>IFA_F_HOMEADDRESS</c>: the home address of a mobile node; IPv6 only.</summary>
    HomeAddress = 0x10,

    /// <summary><c>IFA_F_DEPRECATED</c>: no longer used for new connections.</summary>
    Deprecated = 0x20,

    /// <summary><c>IFA_F_TENTATIVE</c>: it is being asked whether somebody else has it.</summary>
    Tentative = 0x40,

    /// <summary><c>IFA_F_PERMANENT</c>: without an end.</summary>
    Permanent = 0x80,

    /// <summary><c>IFA_F_MANAGETEMPADDR</c>: the kernel makes temporary addresses of it; IPv6 only.</summary>
    ManageTemporaryAddresses = 0x100,

    /// <summary><c>IFA_F_NOPREFIXROUTE</c>: the route to its network is not added by the kernel.</summary>
    NoPrefixRoute = 0x200,

    /// <summary><c>IFA_F_MCAUTOJOIN</c>: the kernel joins the multicast group that it is.</summary>
    MulticastAutoJoin = 0x400,

    /// <summary><c>IFA_F_STABLE_PRIVACY</c>: the kernel made it from a secret; IPv6 only, as read.</summary>
    StablePrivacy = 0x800,
}
