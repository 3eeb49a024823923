using System.Text.Json;
using Isolation.Containers;
using Isolation.Security;

namespace Isolation.Benchmarks.Launch;

/// <summary>The configuration as an OCI bundle, for crun and runc.</summary>
internal static class OciBundle
{
    internal static string Write(string directory, string root, bool full)
    {
        string[] capabilities = [.. CapabilitySet.DockerDefault.Enumerate().Select(CapabilitySet.KernelName)];
        object Mount(string destination, string type, params string[] options) => new { destination, type, source = type, options };
        var config = new
        {
            ociVersion = "1.0.2",
            process = new
            {
                terminal = false,
                user = new { uid = 0, gid = 0 },
                args = new[] { "/true" },
                env = new[] { "PATH=" + ContainerDefaults.Path, "HOME=/" },
                cwd = "/",
                capabilities = new { bounding = capabilities, effective = capabilities, permitted = capabilities },
                noNewPrivileges = true,
            },
            root = new { path = root, @readonly = true },
            hostname = "box",
            mounts = full
                ? [Mount("/proc", "proc", "nosuid", "noexec", "nodev"), Mount("/dev", "tmpfs", "nosuid", "mode=755", "size=65536k")]
                : new[]
                {
                    Mount("/proc", "proc", "nosuid", "noexec", "nodev"),
                    Mount("/dev", "tmpfs", "nosuid", "mode=755", "size=65536k"),
                    Mount("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
                    Mount("/dev/shm", "tmpfs", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
                    Mount("/dev/mqueue", "mqueue", "nosuid", "noexec", "nodev"),
                    Mount("/sys", "sysfs", "nosuid", "noexec", "nodev", "ro"),
                },
            linux = new
            {
                namespaces = new[] { "pid", "network", "ipc", "uts", "mount", "cgroup" }.Select(type => new { type }),
                maskedPaths = full ? [] : ContainerDefaults.MaskedPaths,
                readonlyPaths = full ? [] : ContainerDefaults.ReadOnlyPaths,
            },
        };
        string bundle = Directory.CreateDirectory(Path.Combine(directory, "bundle")).FullName;
        File.WriteAllText(Path.Combine(bundle, "config.json"), JsonSerializer.Serialize(config));
        return bundle;
    }
}
