namespace Isolation.Kernel.Tests;

/// <summary>The launcher inside containers of other engines: a daemon or a rootless user of its own for each test, in private namespaces,
/// with its files on a tmpfs that ends with them.</summary>
public class OuterContainerTests
{
    /// <summary>Makes a root of busybox, and of the libraries that .NET loads, which Docker and Podman are given with it.</summary>
    private const string MakeRoot = """
        set -e
        mount --make-rprivate /; mount -t tmpfs none /run; mount -t tmpfs none /mnt; chmod 755 /mnt
        R=/mnt/root; for d in dev proc sys tmp etc run usr/bin root sdk app; do mkdir -p $R/$d; done; chmod 1777 $R/tmp
        ln -s usr/bin $R/bin
        echo root:x:0:0:root:/root:/bin/sh > $R/etc/passwd; echo root:x:0: > $R/etc/group
        cp $(command -v busybox) $R/usr/bin/busybox; for a in sh id cat echo sleep true; do ln -s busybox $R/usr/bin/$a; done
        ssl=$(ldconfig -p | grep -oE '/[^ ]*lib(ssl|crypto).so.3$')
        for l in $ssl $(ldd $SDK/dotnet $SDK/shared/Microsoft.NETCore.App/*/*.so $ssl $(command -v busybox) 2> /dev/null \
            | grep -oE '/[^ :]+[.]so[.0-9]*' | sort -u); do
            case $l in $SDK/*) ;; *) mkdir -p $R$(dirname $l); cp -L $l $R$l ;; esac
        done
        L="/sdk/dotnet /app/Isolation.Launcher.dll run"
        E="-e DOTNET_ROOT=/sdk -e DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1"
        VOLUMES="-v $SDK:/sdk:ro -v $APP:/app:ro $E"; AGAIN="--privileged -v /sdk:/sdk -v /app:/app --tmpfs /run --tmpfs /tmp $E"
        tell() { echo "$?: $1"; }
        set +e

        """;

    // Docker gives a privileged container all capabilities, and fails where it lacks one itself.
    private const string StartDocker = """
        cat > /run/runtime <<'W'
        #!/bin/sh
        b=; p=; for a; do [ "$p" = --bundle ] && b=$a; p=$a; done
        [ -n "$b" ] && [ -n "$DROP" ] && sed -i 's/"CAP_SYS_RESOURCE",//g' "$b/config.json"
        exec runc "$@"
        W
        chmod +x /run/runtime; ip link set lo up
        [ $(( 0x$(grep CapBnd /proc/self/status | cut -f2) >> 24 & 1 )) = 1 ] || export DROP=1
        dockerd --data-root /mnt/data --exec-root /run/exec --pidfile /run/docker.pid -H unix:///run/docker.sock \
            --iptables=false --bridge=none --storage-driver vfs --add-runtime own=/run/runtime --default-runtime own \
            > /run/docker.log 2>&1 &
        export DOCKER_HOST=unix:///run/docker.sock
        D=/usr/bin/docker; for i in $(seq 150); do $D version > /dev/null 2>&1 && break; sleep 0.2; done
        $D version > /dev/null 2>&1 || { echo "no daemon: $(tail -3 /run/docker.log)"; exit 77; }
        tar -C $R -c . | $D import - image > /dev/null
        inside() { f=$1; shift; $D run --rm --network none --cgroup-parent $PARENT $f $VOLUMES image "$@" 2>&1; }

        """;

    private const string EndDocker = """

        kill $(cat /run/docker.pid); wait
        # What Docker leaves of the parent of its control groups.
        for d in $(find /sys/fs/cgroup -depth -type d -name "$PARENT"); do rmdir $d; done
        """;

    private const string StartPodman = """
        U=$(cut -d: -f1 /etc/subuid | head -1); I=$(id -u $U)
        # crun takes a host with both versions for one with version 2.
        umount /sys/fs/cgroup/unified 2> /dev/null
        mkdir -p /run/user/$I /mnt/home; chown $U /run/user/$I /mnt/home; cp -a $R /mnt/home/root; chown -R $U /mnt/home/root
        cat > /mnt/c.conf << 'C'
        [containers]
        default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
        cgroups = "disabled"
        log_driver = "k8s-file"
        [engine]
        cgroup_manager = "cgroupfs"
        events_logger = "file"
        C
        printf '[storage]\ndriver = "vfs"\ngraphroot = "/mnt/home/graph"\nrunroot = "/run/user/%s/containers"\n' $I > /mnt/s.conf
        cd /
        as() { runuser -u $U -- env -u DBUS_SESSION_BUS_ADDRESS HOME=/mnt/home XDG_RUNTIME_DIR=/run/user/$I CONTAINERS_CONF=/mnt/c.conf \
            CONTAINERS_STORAGE_CONF=/mnt/s.conf DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 podman --log-level=error "$@" 2>&1; }
        inside() { f=$1; shift; as run --rm --network none $f $VOLUMES --rootfs /mnt/home/root "$@"; }

        """;

    private static string[] Run(string script)
    {
        Host.NeedsRoot();
        foreach (string tool in new[] { "busybox", "unshare", "ldd" })
            Host.NeedsTool(tool);
        string dotnet = Host.FindTool("dotnet")!;
        string sdk = Path.GetDirectoryName(new FileInfo(dotnet).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? dotnet)!;
        (int code, string output) = Host.Run("unshare", "-mnpiu", "-f", "--kill-child", "--mount-proc", "env", $"SDK={sdk}",
            $"APP={AppContext.BaseDirectory}", $"PARENT=outer-{Guid.NewGuid():n}", "bash", "-c", script);
        Assert.SkipWhen(code == 77, output);
        return output.TrimEnd('\n').Split('\n');
    }

    private static void NeedsDocker()
    {
        Host.NeedsTool("dockerd");
        Assert.SkipUnless(File.Exists("/usr/bin/docker"), "needs Docker's client, of Debian's docker.io");
    }

    private static void NeedsPodman()
    {
        Host.NeedsTool("podman");
        Host.NeedsTool("crun");
        Assert.SkipUnless(File.Exists("/etc/subuid") && File.ReadAllText("/etc/subuid").Length > 0,
            "needs a user with a range in /etc/subuid");
    }

    [Fact]
    public void In_a_privileged_container_of_Docker_containers_start_two_levels_deep_and_limits_hold()
    {
        NeedsDocker();
        string[] lines = Run(MakeRoot + StartDocker + """
            inside --privileged $L sh -c 'echo $(id -u) in; [ -d /proc/self ]'; tell plain
            inside --privileged $L $AGAIN $L sh -c 'echo deep $(id -u) /proc/[0-9]*'; tell deep
            inside --privileged sh -c "$L --name limited --memory 64m --pids-limit 77 sleep 5 &
                sleep 2; cd /sys/fs/cgroup; cat memory/isolation-limited/memory.limit_in_bytes pids/isolation-limited/pids.max ||
                    cat isolation-limited/memory.max isolation-limited/pids.max; wait"; tell limits
            """ + EndDocker);
        Assert.Equal(["0 in", "0: plain", "deep 0 /proc/1 /proc/2", "0: deep", "67108864", "77", "0: limits"], lines);
    }

    [Fact]
    public void In_a_container_of_Docker_that_refuses_it_one_error_names_the_remedy()
    {
        NeedsDocker();
        string[] lines = Run(MakeRoot + StartDocker + """
            inside "" $L true; tell plain
            inside "--security-opt seccomp=unconfined" $L true; tell seccomp
            inside "--security-opt seccomp=unconfined --security-opt systempaths=unconfined" $L true; tell both
            inside "--cap-add SYS_ADMIN" $L true; tell admin
            inside "--cap-add SYS_ADMIN --cap-add NET_ADMIN" $L true; tell filtered
            inside "--cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined" $L true; tell admins
            """ + EndDocker);
        Assert.Equal(["125: plain", "125: seccomp", "0: both", "125: admin", "125: filtered", "0: admins"],
            lines.Where(l => char.IsAsciiDigit(l[0])));
        Assert.Equal(10, lines.Length); // one line each
        Assert.Contains("the seccomp filter of an outer container", lines[0]);
        Assert.Contains("--security-opt systempaths=unconfined (Docker)", lines[2]);
        Assert.Contains("--cap-add NET_ADMIN", lines[5]);
        Assert.Contains("--security-opt seccomp=unconfined", lines[7]);
    }

    [Fact]
    public void In_a_user_namespace_of_rootless_Podman_and_in_its_privileged_container_containers_start_two_levels_deep()
    {
        NeedsPodman();
        string[] lines = Run(MakeRoot + StartPodman + """
            as unshare $SDK/dotnet $APP/Isolation.Launcher.dll run sh -c 'echo $(id -u) in; [ -d /proc/self ]'; tell unshare
            inside --privileged $L sh -c 'echo $(id -u) in; [ -d /proc/self ]'; tell plain
            inside --privileged $L $AGAIN $L sh -c 'echo deep $(id -u) /proc/[0-9]*'; tell deep
            inside --privileged $L --memory 64m true; tell limit
            """);
        Assert.Equal(["0 in", "0: unshare", "0 in", "0: plain", "deep 0 /proc/1 /proc/2", "0: deep"], lines[..6]);
        // Started without control groups, none is delegated.
        Assert.Contains("The flag --memory: This host cannot provide a control group of the container's own", lines[6]);
        Assert.Equal(["125: limit"], lines[7..]);
    }

    [Fact]
    public void In_a_container_of_rootless_Podman_that_refuses_it_one_error_names_the_remedy()
    {
        NeedsPodman();
        string[] lines = Run(MakeRoot + StartPodman + """
            inside "" $L true; tell plain
            inside "--security-opt unmask=ALL" $L true; tell unmasked
            inside "--security-opt unmask=ALL --security-opt seccomp=unconfined" $L true; tell both
            """);
        Assert.Equal(["125: plain", "125: unmasked", "0: both"], lines.Where(l => char.IsAsciiDigit(l[0])));
        Assert.Equal(5, lines.Length);
        Assert.Contains("unmask=ALL (Podman)", lines[0]);
        Assert.Contains("--security-opt seccomp=unconfined", lines[2]);
    }
}
