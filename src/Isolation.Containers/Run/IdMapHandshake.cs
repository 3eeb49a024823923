using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Launching;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>Writes the id maps of a child that waits for them: itself where it may, through newuidmap and newgidmap else.</summary>
internal sealed class IdMapHandshake(IdMap users, IdMap groups, string? newUidMap, string? newGidMap) : LaunchHandshake
{
    internal override void Serve(int processId)
    {
        if (newUidMap is null || newGidMap is null)
        {
            UserNamespaces.WriteMaps(processId, users, groups);
            return;
        }

        RunHelper(newUidMap, processId, users, "user ids");
        RunHelper(newGidMap, processId, groups, "group ids");
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
            remedy: $"The ranges must be granted to this user in /etc/subuid and /etc/subgid.{said}");
    }

    private static string Quote(IdMap map) => "\"" + map.ToString().Replace("\n", ", ", StringComparison.Ordinal) + "\"";
}
