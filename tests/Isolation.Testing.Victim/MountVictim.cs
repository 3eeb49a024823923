using Isolation.Linux;
using Isolation.Namespaces;

namespace Isolation.Testing.Victim;

/// <summary>Mounts in a new mount namespace of each propagation, where / is shared, and says what is seen outside.</summary>
internal static class MountVictim
{
    internal static void Run(string directory)
    {
        Console.WriteLine($"root shared: {Line("/")?.Contains(" shared:", StringComparison.Ordinal)}");
        foreach (MountPropagation? propagation in new MountPropagation?[] { MountPropagation.Private, MountPropagation.Slave,
            MountPropagation.Shared, MountPropagation.Unbindable, null })
        {
            string inside = Path.Combine(directory, "inside-" + propagation), outside = Path.Combine(directory, "outside-" + propagation);
            Directory.CreateDirectory(inside);
            Directory.CreateDirectory(outside);
            using LinuxThread thread = propagation == MountPropagation.Private
                ? Namespace.Unshare(NamespaceKinds.Mount)
                : Namespace.Unshare(NamespaceKinds.Mount, propagation);
            thread.Invoke(() => Mounts.Apply(new TmpfsMount(inside)));
            Mounts.Apply(new TmpfsMount(outside));
            Console.WriteLine($"{propagation?.ToString() ?? "unchanged"}: inside {thread.Invoke(() => Line(inside) is not null)}, goes "
                + $"out {Line(inside) is not null}, comes in {thread.Invoke(() => Line(outside) is not null)}");
        }
    }

    private static string? Line(string path) => File.ReadLines("/proc/thread-self/mountinfo").FirstOrDefault(l => l.Split(' ')[4] == path);
}
