using Isolation.Containers;
using Isolation.Security;

namespace Isolation.Kernel.Tests.Security;

/// <summary>What crashes inside is no work for the host's core_pattern.</summary>
public class CoreDumpTests
{
    // core(5), and coredump_pipe of fs/coredump.c: a limit of 1 is too small for a file,
    // and the one value that a pattern that is a pipe heeds.
    [Fact]
    public async Task No_core_is_dumped_unless_it_is_asked_for()
    {
        string hard = File.ReadLines("/proc/self/limits").First(l => l.StartsWith("Max core", StringComparison.Ordinal))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries)[5];
        Assert.SkipWhen(hard == "0" && !Host.IsRoot, "needs a hard limit of core files that is not 0");
        ContainerBuilder limits =
            Box.Shell("sed -n 's/Max core file size *\\([0-9a-z]*\\) *\\([0-9a-z]*\\).*/\\1 \\2/p' /proc/self/limits");
        Assert.Equal("1 1", await limits.OutputAsync());
        Assert.Equal("4096 8192", await limits.AddRlimit(new Rlimit(RlimitResource.Core, 4096, 8192)).OutputAsync());
    }
}
