using System.Globalization;
using Isolation.Linux;

namespace Isolation.Containers;

/// <summary>What went over the links of a container's network namespace, <c>lo</c> left out.</summary>
/// <param name="ReceivedBytes">Bytes received.</param>
/// <param name="SentBytes">Bytes sent.</param>
/// <param name="ReceivedPackets">Packets received.</param>
/// <param name="SentPackets">Packets sent.</param>
/// <param name="Dropped">Packets dropped, both ways.</param>
public sealed record ContainerTraffic(long ReceivedBytes, long SentBytes, long ReceivedPackets, long SentPackets, long Dropped)
{
    /// <summary>Reads the counters of a process's network namespace; null where it has ended, or is in this process's own.</summary>
    /// <remarks>/proc/PID/net/dev. Needs no privileges over a process of the same user.</remarks>
    /// <param name="process">The process.</param>
    public static ContainerTraffic? Read(PidHandle process)
    {
        ArgumentNullException.ThrowIfNull(process);
        ContainerTraffic? read = ReadOf(process.ProcessId);
        // Still there, it had its number all the while.
        return process.TrySendSignal(Signal.None).Errno == Errno.ESRCH ? null : read;
    }

    private static ContainerTraffic? ReadOf(int processId)
    {
        string directory = string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}");
        try
        {
            if (File.ResolveLinkTarget(directory + "/ns/net", false)?.Name == File.ResolveLinkTarget("/proc/self/ns/net", false)?.Name)
                return null;
            var sum = new ContainerTraffic(0, 0, 0, 0, 0);
            foreach (string line in File.ReadLines(directory + "/net/dev").Skip(2))
            {
                int colon = line.IndexOf(':', StringComparison.Ordinal);
                string[] fields = line[(colon + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
                // An ifb link sees again what another has received.
                if (colon < 0 || fields.Length < 16 || line[..colon].Trim() is "lo"
                    || line[..colon].Trim().StartsWith("ifb-", StringComparison.Ordinal))
                    continue;
                long Field(int index) => long.Parse(fields[index], CultureInfo.InvariantCulture);
                sum = new ContainerTraffic(sum.ReceivedBytes + Field(0), sum.SentBytes + Field(8), sum.ReceivedPackets + Field(1),
                    sum.SentPackets + Field(9), sum.Dropped + Field(3) + Field(11));
            }

            return sum;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
