using System.Globalization;
using Isolation.Linux;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>Finds a container's processes by its mount namespace, where it has no PID namespace to be killed by.</summary>
internal static class ProcessScan
{
    private const int MaxPasses = 1000;

    /// <summary>The number of a process's mount namespace; 0 where it has ended or cannot be asked.</summary>
    internal static ulong MountNamespaceOf(int processId)
    {
        try
        {
            string? link = new FileInfo(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/ns/mnt")).LinkTarget;
            return link is null ? 0 : ulong.Parse(link.AsSpan("mnt:[".Length).TrimEnd(']'), NumberStyles.None, CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            return 0;
        }
    }

    /// <summary>Kills every process in a mount namespace, again and again until a pass finds none: also those forked meanwhile.</summary>
    internal static void KillAllIn(ulong mountNamespace)
    {
        for (int pass = 0; mountNamespace != 0 && pass < MaxPasses; pass++)
        {
            bool found = false;
            foreach (string directory in Directory.EnumerateDirectories("/proc"))
            {
                if (int.TryParse(Path.GetFileName(directory), NumberStyles.None, CultureInfo.InvariantCulture, out int id))
                    found |= TryKill(id, mountNamespace);
            }

            if (!found)
                return;
            Thread.Yield();
        }
    }

    private static bool TryKill(int id, ulong mountNamespace)
    {
        if (MountNamespaceOf(id) != mountNamespace)
            return false;
        try
        {
            using PidHandle process = PidHandle.Open(id);
            // The number may have passed to another process meanwhile; the handle is asked again.
            return MountNamespaceOf(id) == mountNamespace && !process.HasExited && !process.TrySendSignal(9).IsError;
        }
        catch (LinuxException)
        {
            return false; // it has ended
        }
    }
}
