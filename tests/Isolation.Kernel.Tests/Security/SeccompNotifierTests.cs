using System.Net;
using System.Text;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Linux.Syscalls;
using Isolation.Security;

namespace Isolation.Kernel.Tests.Security;

/// <summary>Calls that wait for an answer.</summary>
public class SeccompNotifierTests
{
    private static T Notified<T>(SeccompFilter filter, SeccompHandler handler, Func<T> function) =>
        Notified(filter, handler, function, out _);

    private static T Notified<T>(SeccompFilter filter, SeccompHandler handler, Func<T> function, out SeccompNotifier notifier)
    {
        using var thread = new LinuxThread("notified");
        SeccompListener listener = thread.Invoke(() =>
        {
            NoNewPrivileges.SetForCurrentThread();
            return filter.LoadOnCurrentThreadWithListener();
        });
        using (notifier = SeccompNotifier.Start(listener, handler))
            return thread.Invoke(function);
    }

    private static SeccompFilter Only(params string[] calls) => SeccompFilter.Of(SeccompAction.Allow).Add(SeccompAction.UserNotify, calls);

    [Fact]
    public void Answers_are_values_errors_or_the_kernel_s()
    {
        SeccompHandler handler = async call =>
        {
            if (call.Call.Arguments[0] == 3)
                await Task.Delay(20);
            return call.Call.Arguments[0] switch
            {
                1 => SeccompReply.Return(4711),
                2 => SeccompReply.Fail(Errno.EXFULL),
                3 => SeccompReply.Return(-5),
                4 => throw new InvalidOperationException("no"),
                _ => SeccompReply.Continue
            };
        };
        long[] results = Notified(Only("getppid"), handler,
            () => Enumerable.Range(0, 5).Select(i => RawSyscall.Invoke(Syscall.getppid, (nuint)i).Value).ToArray(),
            out SeccompNotifier notifier);
        Assert.Equal(4711, results[1]);
        Assert.Equal(-(long)Errno.EXFULL, results[2]);
        Assert.Equal(-5, results[3]);
        Assert.Equal(-(long)Errno.EPERM, results[4]); // a handler that throws refuses
        Assert.True(results[0] >= 0);
        Assert.Equal("no", notifier.Failure!.Message);
        Assert.Equal(5, notifier.Answered);
    }

    [Fact]
    public void Files_are_opened_below_allowed_directories_only_and_handed_over()
    {
        using var directory = new TemporaryDirectory();
        directory.Write("in/file", "inside");
        directory.Write("out", "outside");
        directory.Link("in/link", "../out");
        SeccompHandler handler = SeccompHandlers.ByName(SeccompHandlers.Observe(_ => { }),
            ("openat", SeccompHandlers.OpenBelow(writable: false, Path.Combine(directory.Path, "in"))));
        string[] outcomes = Notified(Only("openat"), handler, () => new[] { "in/file", "out", "in/link", "in/../out", "in/missing" }
            .Select(name => Read(Path.Combine(directory.Path, name))).ToArray());
        Assert.Equal(["inside", "EACCES", "EACCES", "EACCES", "ENOENT"], outcomes);
    }

    private static string Read(string path)
    {
        SyscallResult opened = FileSyscalls.OpenAt(null, path, 0);
        if (opened.IsError)
            return opened.Errno.ToString();
        using var file = new LinuxHandle((int)opened.Value);
        Span<byte> buffer = stackalloc byte[64];
        return Encoding.UTF8.GetString(buffer[..(int)FileSyscalls.ReadAtStart(file, buffer).Value]);
    }

    [Fact]
    public void Connections_are_made_to_allowed_addresses_only()
    {
        using var server = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        server.Start();
        int port = ((IPEndPoint)server.LocalEndpoint).Port;
        SeccompHandler handler = SeccompHandlers.ConnectTo(address => address is IPEndPoint ip && ip.Port == port);
        Errno[] outcomes = Notified(Only("connect"), handler, () => new[] { port, port == 9 ? 10 : 9 }.Select(Connect).ToArray());
        Assert.Equal([Errno.None, Errno.EACCES], outcomes);
    }

    private static Errno Connect(int port)
    {
        SyscallResult socket = RawSyscall.Invoke(Syscall.socket, 2, 0x80001, 0);
        Assert.False(socket.IsError);
        using var handle = new LinuxHandle((int)socket.Value);
        byte[] address = [2, 0, (byte)(port >> 8), (byte)port, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        return SeccompSyscalls.Connect(handle, address).Errno;
    }

    [Fact]
    public async Task An_unprivileged_container_mounts_through_its_notifier()
    {
        Host.NeedsRoot();
        var leaks = new Leaks();
        SeccompHandler handler = SeccompHandlers.ByName(_ => new(SeccompReply.Continue), ("mount", SeccompHandlers.Mount("tmpfs")));
        // The default filter refuses mount(2), and the capability is missing; the handler does it.
        ContainerBuilder builder = Box.Shell("mkdir -p /tmp/m; mount -t tmpfs -o size=64k x /tmp/m && echo made > /tmp/m/file && cat "
            + "/tmp/m/file && grep -c ' /tmp/m tmpfs rw,nosuid,nodev' /proc/mounts; mount -t proc x /tmp/m || echo refused")
            .WithWritableRoot()
            // Without the newer calls mount(8) makes the older one.
            .WithSeccomp(SeccompFilter.Default.Add(SeccompAction.UserNotify, "mount").Add(SeccompAction.Errno(Errno.ENOSYS), "fsopen",
                "fsconfig", "fsmount", "move_mount", "open_tree", "mount_setattr", "statmount", "listmount"), handler);
        (ContainerResult result, string output) = await builder.RunAndReadAsync();
        Assert.True(output.StartsWith("made\n1\nrefused\n", StringComparison.Ordinal), $"{result}: {output}");
        leaks.AssertNone();
        (_, string without) = await Box.Shell("mount -t tmpfs x /tmp || echo refused").RunAndReadAsync();
        Assert.Contains("refused", without);
    }

    [Fact]
    public void When_the_notifier_is_gone_calls_do_not_exist()
    {
        using var thread = new LinuxThread("notified");
        SeccompListener listener = thread.Invoke(() =>
        {
            NoNewPrivileges.SetForCurrentThread();
            return Only("getppid").LoadOnCurrentThreadWithListener();
        });
        SeccompNotifier.Start(listener, _ => new(SeccompReply.Return(1))).Dispose();
        Assert.Equal(Errno.ENOSYS, thread.Invoke(() => RawSyscall.Invoke(Syscall.getppid).Errno));
        Assert.Equal(Errno.EBUSY,
            Assert.Throws<LinuxException>(() =>
                Notified(Only("getppid"), _ => new(SeccompReply.Continue), () => Only("getpid").LoadOnCurrentThreadWithListener())).Errno);
    }

    [Fact]
    public async Task A_notifier_ends_with_the_last_that_could_call()
    {
        SeccompNotifier notifier;
        using (var thread = new LinuxThread("notified"))
        {
            notifier = SeccompNotifier.Start(thread.Invoke(() =>
            {
                NoNewPrivileges.SetForCurrentThread();
                return Only("getppid").LoadOnCurrentThreadWithListener();
            }), _ => new(SeccompReply.Continue));
            Assert.False(notifier.Ended.IsCompleted);
        }

        await notifier.Ended.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        notifier.Dispose();
    }
}
