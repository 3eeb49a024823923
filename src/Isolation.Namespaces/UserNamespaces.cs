using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Launching;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Namespaces;

/// <summary>Makes user namespaces that no process lives in: as the id map of a mount, or to be entered later.</summary>
public static class UserNamespaces
{
    /// <summary>Makes a user namespace with the given id maps.</summary>
    /// <remarks>clone(2) with <c>CLONE_NEWUSER</c> of a process that ends at once;
    /// the handle keeps the namespace. Since Linux 3.8.</remarks>
    /// <param name="users">Its user ids.</param>
    /// <param name="groups">Its group ids.</param>
    /// <exception cref="LinuxException"><c>EPERM</c>: user namespaces, or these ids, are forbidden to this user.</exception>
    public static Namespace Create(IdMap users, IdMap groups)
    {
        ArgumentNullException.ThrowIfNull(users);
        ArgumentNullException.ThrowIfNull(groups);
        Namespace? made = null;
        BriefChild.Run(Sched.CLONE_NEWUSER, "the user namespace", child =>
        {
            WriteMaps(child, users, groups);
            made = Namespace.Open(NamespaceKinds.User, child);
        });
        return made!;
    }

    /// <summary>Writes the maps of a process's new user namespace. Needs CAP_SETUID and CAP_SETGID.</summary>
    internal static void WriteMaps(int processId, IdMap users, IdMap groups)
    {
        string process = string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/");
        Write(process + "uid_map", users, "map user ids");
        Write(process + "gid_map", groups, "map group ids");
    }

    private static void Write(string path, IdMap map, string action)
    {
        SyscallResult result = FileSyscalls.OpenAt(null, path, Fcntl.O_WRONLY);
        if (!result.IsError)
        {
            using var file = new LinuxHandle((int)result.Value);
            result = FileSyscalls.Write(file, System.Text.Encoding.ASCII.GetBytes(map.ToString()));
        }

        result.ThrowIfError(action, $"\"{map.ToString().Replace("\n", ", ", StringComparison.Ordinal)}\"", "write(2)",
            NamespaceSteps.MapHint(result.Errno));
    }
}
