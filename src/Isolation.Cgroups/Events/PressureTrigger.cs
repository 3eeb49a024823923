using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Cgroups;

/// <summary>Fires when stall time in the window exceeds the threshold.</summary>
/// <example><code>
/// var trigger = new PressureTrigger(PressureResource.Memory, TimeSpan.FromMilliseconds(150), TimeSpan.FromSeconds(2));
/// await foreach (Pressure pressure in cgroup.WatchPressureAsync(trigger))
///     Console.WriteLine(pressure);
/// </code></example>
/// <param name="Resource">The resource that tasks stall on.</param>
/// <param name="Threshold">The stall time within the window: more than zero, at most the window.</param>
/// <param name="Window">The window, 500 ms to 10 s. Without <c>CAP_SYS_RESOURCE</c> it must be a multiple of 2 s (Linux 6.5).</param>
public sealed record PressureTrigger(PressureResource Resource, TimeSpan Threshold, TimeSpan Window)
{
    /// <summary>Whether the time counts in which all tasks wait, and not that in which any does.</summary>
    public bool Full { get; init; }

    /// <summary>The kernel's form: <c>some 150000 1000000</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{(Full ? "full" : "some")} {(long)Threshold.TotalMicroseconds} {(long)Window.TotalMicroseconds}");

    internal string File => Resource switch
    {
        PressureResource.Cpu => "cpu.pressure",
        PressureResource.Memory => "memory.pressure",
        PressureResource.Io => "io.pressure",
        PressureResource.Irq => "irq.pressure",
        _ => throw new ArgumentOutOfRangeException(nameof(Resource)),
    };

    /// <summary>Arms the trigger in a directory's file, and yields the pressure each time it fires.</summary>
    internal async IAsyncEnumerable<Pressure> WatchAsync(CgroupDirectory directory,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        LinuxHandle handle = directory.OpenFile(File, Fcntl.O_RDWR | Fcntl.O_NONBLOCK);
        using EventFile file = EventFile.For(handle, directory.Name(File));
        SyscallResult written = FileSyscalls.Write(handle, Encoding.UTF8.GetBytes(ToString() + "\0"));
        written.ThrowIfError($"set a trigger \"{this}\" on", directory.Name(File), "write(2)", written.Errno switch
        {
            Errno.EINVAL => "The threshold must lie within the window, and the window within 500 ms and 10 s; "
                + "without CAP_SYS_RESOURCE it must be a multiple of 2 s.",
            Errno.EOPNOTSUPP => "Pressure is not measured: boot with psi=1, or write 1 to cgroup.pressure.",
            Errno.EPERM => "Triggers need CAP_SYS_RESOURCE before Linux 6.5.",
            _ => CgroupHints.ForFile(File, written.Errno),
        });
        while (true)
        {
            await file.WaitForChangeAsync(cancellationToken).ConfigureAwait(false);
            yield return Pressure.Parse(Encoding.UTF8.GetBytes(file.Read()));
        }
    }
}
