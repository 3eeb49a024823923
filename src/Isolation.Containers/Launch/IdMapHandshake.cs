using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Launching;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>Writes the id maps of a child that waits for them: itself where it may, through newuidmap and newgidmap else.</summary>
internal sealed class IdMapHandshake(IdMap users, IdMap groups, string? newUidMap, string? newGidMap) : LaunchHandshake
{
    internal override void Serve(int processId)
    {
        if (newUidMap is null || newGidMap is null)
        {
            Write(processId, "uid_map", users);
            Write(processId, "gid_map", groups);
            return;
        }

        RunHelper(newUidMap, processId, users, "user ids");
        RunHelper(newGidMap, processId, groups, "group ids");
    }

    private static void Write(int processId, string file, IdMap map)
    {
        string path = string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/{file}");
        SyscallResult result = FileSyscalls.OpenAt(null, path, Fcntl.O_WRONLY);
        if (!result.IsError)
        {
            using var handle = new LinuxHandle((int)result.Value);
            result = FileSyscalls.Write(handle, System.Text.Encoding.ASCII.GetBytes(map.ToString()));
        }

        result.ThrowIfError(file == "uid_map" ? "map user ids" : "map group ids", Quote(map), "write(2)", NamespaceSteps.MapHint(result.Errno));
    }

    private static void RunHelper(string helper, int processId, IdMap map, string what)
    {
        string[] arguments =
        [
            helper, processId.ToString(CultureInfo.InvariantCulture),
            .. map.Ranges.SelectMany(r => new[] { r.Inside, r.Outside, r.Count }).Select(n => n.ToString(CultureInfo.InvariantCulture)),
        ];
        (ExitStatus status, string output) = HelperProcess.Run(helper, arguments);
        if (status.Code == 0)
            return;
        string said = output.Trim().Length > 0 ? $" {Path.GetFileName(helper)} said: {output.Trim()}" : "";
        throw new LinuxException("map " + what, Quote(map), Path.GetFileName(helper) + "(1)", Errno.EPERM,
            hint: $"The ranges must be granted to this user in /etc/subuid and /etc/subgid.{said}");
    }

    private static string Quote(IdMap map) => "\"" + map.ToString().Replace("\n", ", ", StringComparison.Ordinal) + "\"";
}
