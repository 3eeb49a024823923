using Isolation.Linux;

namespace Isolation.Cgroups;

/// <summary>Error numbers of the names in D-Bus error replies, as libsystemd has them: sd-bus-errors(3).</summary>
internal static class BusErrors
{
    private static readonly Dictionary<string, Errno> s_errors = new()
    {
        ["org.freedesktop.DBus.Error.AccessDenied"] = Errno.EACCES,
        ["org.freedesktop.DBus.Error.AuthFailed"] = Errno.EACCES,
        ["org.freedesktop.DBus.Error.BadAddress"] = Errno.EADDRNOTAVAIL,
        ["org.freedesktop.DBus.Error.Disconnected"] = Errno.ECONNRESET,
        ["org.freedesktop.DBus.Error.Failed"] = Errno.EACCES,
        ["org.freedesktop.DBus.Error.FileExists"] = Errno.EEXIST,
        ["org.freedesktop.DBus.Error.FileNotFound"] = Errno.ENOENT,
        ["org.freedesktop.DBus.Error.InconsistentMessage"] = Errno.EBADMSG,
        ["org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"] = Errno.EACCES,
        ["org.freedesktop.DBus.Error.InvalidArgs"] = Errno.EINVAL,
        ["org.freedesktop.DBus.Error.InvalidSignature"] = Errno.EINVAL,
        ["org.freedesktop.DBus.Error.LimitsExceeded"] = Errno.ENOBUFS,
        ["org.freedesktop.DBus.Error.NameHasNoOwner"] = Errno.ENXIO,
        ["org.freedesktop.DBus.Error.NoMemory"] = Errno.ENOMEM,
        ["org.freedesktop.DBus.Error.NoReply"] = Errno.ETIMEDOUT,
        ["org.freedesktop.DBus.Error.NotSupported"] = Errno.EOPNOTSUPP,
        ["org.freedesktop.DBus.Error.PropertyReadOnly"] = Errno.EROFS,
        ["org.freedesktop.DBus.Error.ServiceUnknown"] = Errno.EHOSTUNREACH,
        ["org.freedesktop.DBus.Error.TimedOut"] = Errno.ETIMEDOUT,
        ["org.freedesktop.DBus.Error.Timeout"] = Errno.ETIMEDOUT,
        ["org.freedesktop.DBus.Error.UnixProcessIdUnknown"] = Errno.ESRCH,
        ["org.freedesktop.DBus.Error.UnknownInterface"] = Errno.EBADR,
        ["org.freedesktop.DBus.Error.UnknownMethod"] = Errno.EBADR,
        ["org.freedesktop.DBus.Error.UnknownObject"] = Errno.EBADR,
        ["org.freedesktop.DBus.Error.UnknownProperty"] = Errno.EBADR,
        ["org.freedesktop.systemd1.BadUnitSetting"] = Errno.ENOEXEC,
        ["org.freedesktop.systemd1.DiskFull"] = Errno.ENOSPC,
        ["org.freedesktop.systemd1.JobFailed"] = Errno.EREMOTEIO,
        ["org.freedesktop.systemd1.JobTypeNotApplicable"] = Errno.EBADR,
        ["org.freedesktop.systemd1.NoIsolation"] = Errno.EPERM,
        ["org.freedesktop.systemd1.NoSuchJob"] = Errno.ENOENT,
        ["org.freedesktop.systemd1.NoSuchProcess"] = Errno.ESRCH,
        ["org.freedesktop.systemd1.NoSuchUnit"] = Errno.ENOENT,
        ["org.freedesktop.systemd1.NoUnitForPID"] = Errno.ESRCH,
        ["org.freedesktop.systemd1.OnlyByDependency"] = Errno.EINVAL,
        ["org.freedesktop.systemd1.ScopeNotRunning"] = Errno.EHOSTDOWN,
        ["org.freedesktop.systemd1.ShuttingDown"] = Errno.ECANCELED,
        ["org.freedesktop.systemd1.TransactionIsDestructive"] = Errno.EDEADLK,
        ["org.freedesktop.systemd1.TransactionJobsConflicting"] = Errno.EDEADLK,
        ["org.freedesktop.systemd1.TransactionOrderIsCyclic"] = Errno.EDEADLK,
        ["org.freedesktop.systemd1.UnitExists"] = Errno.EEXIST,
        ["org.freedesktop.systemd1.UnitGenerated"] = Errno.EADDRNOTAVAIL,
        ["org.freedesktop.systemd1.UnitLinked"] = Errno.ELOOP,
        ["org.freedesktop.systemd1.UnitMasked"] = Errno.ERFKILL,
    };

    /// <summary>The error number of a name; <c>EIO</c> where it has none.</summary>
    internal static Errno ErrnoOf(string name)
    {
        const string ByNumber = "System.Error.";
        if (s_errors.TryGetValue(name, out Errno errno))
            return errno;
        return name.StartsWith(ByNumber, StringComparison.Ordinal) && Enum.TryParse(name.AsSpan(ByNumber.Length), out errno)
            && Enum.IsDefined(errno) ? errno : Errno.EIO;
    }
}
