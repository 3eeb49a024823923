using System.Globalization;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Namespaces;

namespace Isolation.Kernel.Tests;

/// <summary>Mount namespaces without a container: what is mounted inside stays inside, and nothing is loaded from a root
/// that is not this program's own.</summary>
public class MountNamespaceTests
{
    /// <summary>What unshare(1) does by --propagation private, slave, shared and unchanged;
    /// mount_namespaces(7) says what travels.</summary>
    [Fact]
    public void Where_the_root_is_shared_a_mount_travels_as_was_chosen_and_by_default_not_at_all()
    {
        Host.NeedsRoot();
        Host.NeedsTool("unshare");
        using var directory = new TemporaryDirectory();
        // Private first: where the host's root is shared, what travels would reach the host's.
        (int code, string output) = Host.Run("unshare", "--mount", "--propagation", "private",
            "unshare", "--mount", "--propagation", "shared", "timeout", "60", "dotnet",
            Path.Combine(AppContext.BaseDirectory, "Isolation.Testing.Victim.dll"), "--mounts", directory.Path);
        Assert.Equal("""
            root shared: True
            Private: inside True, goes out False, comes in False
            Slave: inside True, goes out False, comes in True
            Shared: inside True, goes out True, comes in True
            Unbindable: inside True, goes out False, comes in False
            unchanged: inside True, goes out True, comes in True

            """, output);
        Assert.Equal(0, code);
    }

    [Fact]
    public void Mounts_are_made_on_the_thread_of_a_new_namespace_and_leave_no_descriptor()
    {
        Host.NeedsRoot();
        using var directory = new TemporaryDirectory();
        directory.Write("data/file", "seen");
        string target = directory.Make("target");
        using LinuxThread thread = Namespace.Unshare(NamespaceKinds.Mount);
        string[] before = Directory.GetFiles("/proc/self/fd");
        thread.Invoke(() => Mounts.Apply(new TmpfsMount(target) { Size = ByteSize.FromMebibytes(1) },
            new BindMount(Path.Combine(directory.Path, "data"),
            target + "/deep/data", MountFlags.ReadOnly), new DevMount(target + "/dev")));
        Assert.InRange(Directory.GetFiles("/proc/self/fd").Length, 0, before.Length + 2);
        Assert.Equal("seen", thread.Invoke(() => File.ReadAllText(target + "/deep/data/file")));
        Assert.Throws<IOException>(() => thread.Invoke(() => File.WriteAllText(target + "/deep/data/file", "x")));
        Assert.True(thread.Invoke(() => File.Exists(target + "/dev/null")));
        Assert.Empty(Directory.GetFileSystemEntries(target));
        LinuxException refused =
            Assert.Throws<LinuxException>(() => thread.Invoke(() => Mounts.Apply(new BindMount("/no/such/source", target))));
        Assert.Equal((Errno.ENOENT, "open_tree(2)"), (refused.Errno, refused.Call));
        Assert.Contains("The source \"/no/such/source\" does not exist on the host.", refused.Message);
    }

    /// <summary>A container's mount namespace is mounted into by system calls alone:
    /// its root has no runtime, no libc that could be loaded, and nothing of it is opened.</summary>
    [Fact]
    public async Task Mounting_in_a_containers_namespace_runs_no_code_there()
    {
        Host.NeedsRoot();
        using var directory = new TemporaryDirectory();
        await using Container container = await Box.Shell("until grep -qs . /run/new/here; do sleep 0.05; done; cat /run/new/here")
            .AddMount(new TmpfsMount("/run")).WithStandardOutput(Stdio.Pipe).StartAsync(TestContext.Current.CancellationToken);
        using Namespace mount = Namespace.Open(NamespaceKinds.Mount, container.Process),
            net = Namespace.Open(NamespaceKinds.Net, container.Process);
        Mounts.ApplyIn(mount, new TmpfsMount("/run/new"), new BindMount("/etc/passwd", "/run/new/here"));
        Assert.DoesNotContain(File.ReadLines("/proc/self/mountinfo"), l => l.Contains("/run/new", StringComparison.Ordinal));
        Assert.Equal(0, (await container.WaitAsync(TestContext.Current.CancellationToken)).Status.Code);
        Assert.Throws<ArgumentException>(() => Mounts.ApplyIn(net, new TmpfsMount("/run")));
        Assert.Throws<ArgumentException>(() => Namespace.Enter(mount));
        Assert.Throws<ArgumentException>(() => Mounts.Apply(new FileMount("/x", [1])));
    }

    /// <summary>A root that holds the runtime's native libraries, each with a constructor that tells of
    /// it. dlopen(3) runs constructors.</summary>
    [Fact]
    public void A_hostile_library_in_an_entered_root_is_loaded_by_a_managed_thread_and_not_by_steps()
    {
        Host.NeedsRoot();
        Host.NeedsTool("gcc");
        Host.NeedsTool("unshare");
        using var directory = new TemporaryDirectory();
        string marker = Path.Combine(directory.Path, "marker"), hostile = Path.Combine(directory.Path, "hostile.so");
        string source = directory.Write("hostile.c", $$"""
            #include <fcntl.h>
            __attribute__((constructor)) static void loaded(void) { open("{{marker}}", O_CREAT | O_WRONLY, 0600); }
            """);
        (int code, string said) = Host.Run("gcc", "-w", "-shared", "-fPIC", "-o", hostile, source);
        Assert.True(code == 0, said);
        string runtime = System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory();
        // Its own mounts: over each native library of the runtime lies the hostile one.
        string script = $"for library in {runtime}*.so; do mount --bind {hostile} $library || exit 1; done; echo ready; exec sleep 1000";
        using var root = new System.Diagnostics.Process
        {
            StartInfo = new System.Diagnostics.ProcessStartInfo("unshare", ["--mount", "--propagation", "private", "sh", "-c", script])
            {
                RedirectStandardOutput = true,
            },
        };
        root.Start();
        try
        {
            Assert.Equal("ready", root.StandardOutput.ReadLine());
            string victim = Path.Combine(AppContext.BaseDirectory, "Isolation.Testing.Victim.dll");
            (code, said) = Host.Run("dotnet", victim, "--foreign-root", "steps", root.Id.ToString(CultureInfo.InvariantCulture));
            Assert.Equal((0, "mounted\n"), (code, said));
            Assert.Contains("/media/passwd ", File.ReadAllText($"/proc/{root.Id}/mountinfo"));
            Assert.False(File.Exists(marker), "the steps had a library of the entered root loaded");
            // The danger is real, and so the test would see it: here the same root's library runs in this user's name.
            (code, said) = Host.Run("dotnet", victim, "--foreign-root", "managed", root.Id.ToString(CultureInfo.InvariantCulture));
            Assert.True(File.Exists(marker), $"the managed thread loaded nothing from the entered root: {code} {said}");
            Assert.NotEqual(0, code);
        }
        finally
        {
            root.Kill();
            root.WaitForExit();
        }
    }
}
