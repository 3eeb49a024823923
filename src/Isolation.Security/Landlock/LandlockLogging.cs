namespace Isolation.Security;

/// <summary>Which refusals reach the audit log: <c>LANDLOCK_RESTRICT_SELF_LOG_*</c>. ABI 7, Linux 6.15.</summary>
[Flags]
public enum LandlockLogging
{
    /// <summary>The kernel's default: until the program executes another one.</summary>
    Default = 0,

    /// <summary><c>LOG_SAME_EXEC_OFF</c>: nothing of this program.</summary>
    SameExecOff = 1,

    /// <summary><c>LOG_NEW_EXEC_ON</c>: of executed programs as well.</summary>
    NewExecOn = 2,

    /// <summary><c>LOG_SUBDOMAINS_OFF</c>: nothing of domains that it makes below.</summary>
    SubdomainsOff = 4,
}
