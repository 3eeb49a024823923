using System.Security.Cryptography;
using Isolation.Linux;
using Isolation.Namespaces;

namespace Isolation.Testing.Victim;

/// <summary>Works in a mount namespace whose libraries are somebody else's: by steps, or with a managed thread inside.</summary>
internal static class ForeignRootVictim
{
    internal static int Run(string how, string process)
    {
        using Namespace mount = Namespace.Open($"/proc/{process}/ns/mnt");
        if (how == "steps")
        {
            // Not over the runtime, which the test machine has below /mnt.
            Mounts.ApplyIn(mount, new TmpfsMount("/media"), new BindMount("/etc/passwd", "/media/passwd"));
            Console.WriteLine("mounted");
            return 0;
        }

        // The library of cryptography is loaded when it is first used.
        using LinuxThread thread = Namespace.EnterTrustingCodeInside(mount);
        Console.WriteLine(thread.Invoke(() => Convert.ToHexString(SHA256.HashData([]))));
        return 0;
    }
}
