using Isolation.Cgroups;

namespace Isolation.Kernel.Tests.Cgroups;

/// <summary>A directory on a real disk, and the disk's number: the test machine's scratch disk, else the one that /var/tmp is on.</summary>
internal static class Disk
{
    private static readonly Lock s_gate = new();

    internal static (string Directory, DeviceNumber Device) Prepare()
    {
        Host.NeedsRoot();
        if (Environment.GetEnvironmentVariable("SCRATCH") is { Length: > 0 } scratch)
        {
            const string Mounted = "/mnt/scratch";
            lock (s_gate)
            {
                if (!Directory.Exists(Mounted))
                {
                    Directory.CreateDirectory(Mounted);
                    Assert.Equal(0, Host.Run("mke2fs", "-q", "-F", scratch).Code);
                    Assert.Equal(0, Host.Run("mount", scratch, Mounted).Code);
                }
            }

            return (Mounted, DeviceNumber.FromPath(scratch));
        }

        DeviceNumber device = DeviceNumber.FromPath("/var/tmp");
        string? disk = Path.GetFileName(File.ResolveLinkTarget($"/sys/dev/block/{device}", returnFinalTarget: true)?.FullName);
        Assert.SkipUnless(disk is not null, "needs /var/tmp on a disk");
        // A partition counts with its whole disk.
        string whole = $"/sys/dev/block/{device}/../dev";
        return ("/var/tmp",
            File.Exists($"/sys/dev/block/{device}/partition") ? DeviceNumber.Parse(File.ReadAllText(whole).Trim()) : device);
    }
}
