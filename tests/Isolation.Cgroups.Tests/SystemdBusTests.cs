using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using Isolation.Linux;

namespace Isolation.Cgroups.Tests;

/// <summary>Calls over a real bus; only systemd behind it is a stand-in, at the wire.</summary>
public class SystemdBusTests
{
    private static readonly CgroupSettings s_settings = CgroupSettings.None.WithMemoryMax(ByteSize.FromMebibytes(64)).WithPidsMax(50)
        .WithCpus(0.5).WithCpusetCpus(0).WithMemoryOomGroup(true);

    /// <summary>What dbus-monitor, which is libdbus, reads of the messages.</summary>
    [Fact]
    public void Libdbus_reads_the_calls_as_they_are_meant()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/dbus-monitor"), "needs dbus-monitor: the package dbus");
        using var bus = new TestBus();
        using Process monitor = Process.Start(new ProcessStartInfo("/usr/bin/dbus-monitor",
            ["--address", "unix:path=" + bus.Socket, "destination=org.freedesktop.systemd1"])
        { RedirectStandardOutput = true })!;
        try
        {
            // It is a monitor from the moment that it loses its name.
            while (!monitor.StandardOutput.ReadLine()!.Contains("member=NameLost"))
            {
            }

            using (SystemdBus connection = bus.Open())
            {
                SystemdProperties properties = SystemdProperties.Of(s_settings,
                    [DeviceRule.Parse("c 1:3 rw"), DeviceRule.Parse("c 136:* rw"), DeviceRule.Parse("b *:* r")]);
                using SystemdScope scope = SystemdScope.StartScope(connection, "job.scope", 4711, properties, "jobs.slice");
                Assert.True(connection.Bool(connection.PathOf("GetUnit", "job.scope"), "org.freedesktop.systemd1.Scope", "Delegate",
                    "job.scope"));
                SystemdScope.Attach(connection, "job.scope", "/below", 42);
            }

            var text = new StringBuilder();
            for (string? line = monitor.StandardOutput.ReadLine(); line is not null; line = monitor.StandardOutput.ReadLine())
            {
                if (text.Length == 0 && !line.StartsWith("method call", StringComparison.Ordinal))
                    continue; // the rest of the signal
                text.Append(line.StartsWith("method call", StringComparison.Ordinal)
                    ? line[line.IndexOf("path=", StringComparison.Ordinal)..]
                    : line).Append('\n');
                if (line == "      uint32 42")
                    break;
            }

            Golden.AssertEqual("systemd-calls.txt", text.ToString());
        }
        finally
        {
            monitor.Kill();
        }
    }

    [Fact]
    public void A_unit_is_started_loaded_and_waited_for()
    {
        int asked = 0;
        using var bus = new TestBus { Property = _ => ++asked < 4 ? "activating" : "failed" };
        LinuxException e = Assert.Throws<LinuxException>(() => SystemdScope.StartUnit(bus.Open(), "x.scope", TimeSpan.FromSeconds(30),
            (ref _) => { }));
        Assert.Equal(Errno.ECANCELED, e.Errno);
        Assert.Contains("The unit is failed; see journalctl -u x.scope.", e.Message);
        Assert.Equal(["StartTransientUnit", "LoadUnit", "Get", "Get", "Get", "Get"], bus.Calls);
    }

    [Theory]
    [InlineData("org.freedesktop.systemd1.UnitExists", Errno.EEXIST)]
    [InlineData("org.freedesktop.systemd1.NoSuchUnit", Errno.ENOENT)]
    [InlineData("org.freedesktop.DBus.Error.AccessDenied", Errno.EACCES)]
    [InlineData("System.Error.EBUSY", Errno.EBUSY)]
    [InlineData("System.Error.EWHAT", Errno.EIO)]
    [InlineData("com.example.Whatever", Errno.EIO)]
    public void An_error_reply_becomes_an_error_number_with_its_name_and_words(string name, Errno errno)
    {
        using var bus = new TestBus { Refusal = (name, "Some reason.") };
        using SystemdBus connection = bus.Open();
        LinuxException e = Assert.Throws<LinuxException>(() => connection.PathOf("LoadUnit", "x.scope"));
        Assert.Equal(errno, e.Errno);
        Assert.StartsWith($"Cannot manage unit \"x.scope\": systemd's LoadUnit failed with {errno} (", e.Message);
        Assert.Contains($"systemd says: Some reason ({name}).", e.Message);
        Assert.Equal(errno == Errno.EACCES, e.Message.EndsWith("Ask as root, or ask the user's own instance of systemd."));
        bus.Refusal = null;
        Assert.Equal("/org/freedesktop/systemd1/unit/x_scope", connection.PathOf("LoadUnit", "x.scope"));
    }

    [Fact]
    public void Without_systemd_on_the_bus_it_is_told()
    {
        using var bus = new TestBus();
        using SystemdBus connection = bus.Open();
        bus.Leave();
        LinuxException e = Assert.Throws<LinuxException>(() => connection.PathOf("LoadUnit", "x.scope"));
        Assert.Equal(Errno.EHOSTUNREACH, e.Errno);
        Assert.Contains("org.freedesktop.systemd1", e.Message);
    }

    [Fact]
    public void A_call_ends_with_its_time_and_its_late_reply_is_nobody_else_s()
    {
        using var bus = new TestBus { Delay = TimeSpan.FromSeconds(1.5) };
        using SystemdBus connection = bus.Open(0.5);
        long begin = Stopwatch.GetTimestamp();
        LinuxException e = Assert.Throws<LinuxException>(() => connection.PathOf("LoadUnit", "slow.scope"));
        Assert.InRange(Stopwatch.GetElapsedTime(begin).TotalSeconds, 0.5, 1.4);
        Assert.Equal(Errno.ETIMEDOUT, e.Errno);
        Assert.Contains("systemd did not answer in time.", e.Message);
        bus.Delay = TimeSpan.Zero;
        Thread.Sleep(1500); // the late reply is there
        for (int i = 0; i < 3; i++)
            Assert.Equal($"/org/freedesktop/systemd1/unit/u{i}_scope", connection.PathOf("LoadUnit", $"u{i}.scope"));
    }

    [Fact]
    public void A_reply_of_another_type_is_refused_and_the_connection_goes_on()
    {
        using var bus = new TestBus();
        using SystemdBus connection = bus.Open();
        LinuxException e = Assert.Throws<LinuxException>(() => connection.Bool("/org/freedesktop/systemd1/unit/x", "i", "Text", "x.scope"));
        Assert.Equal(Errno.EBADMSG, e.Errno);
        Assert.Contains("The property is of type \"s\", not \"b\".", e.Message);
        Assert.True(connection.Bool("/org/freedesktop/systemd1/unit/x", "i", "Delegate", "x.scope"));
    }

    /// <summary>A context that runs nothing, as that of a thread which waits here, and a scheduler with one thread, which waits here
    /// too.</summary>
    [Fact]
    public async Task Neither_a_synchronization_context_nor_a_scheduler_of_the_caller_s_holds_a_call_up()
    {
        using var bus = new TestBus();
        string Ask()
        {
            using SystemdBus connection = bus.Open(5);
            return connection.PathOf("LoadUnit", "x.scope");
        }

        var context = new DeadContext();
        string? found = null;
        var thread = new Thread(() =>
        {
            SynchronizationContext.SetSynchronizationContext(context);
            found = Ask();
            Assert.Same(context, SynchronizationContext.Current);
        });
        thread.Start();
        thread.Join();
        Assert.Equal("/org/freedesktop/systemd1/unit/x_scope", found);
        Assert.Equal(0, context.Posted);
        Task<string> scheduled = Task.Factory.StartNew(Ask, CancellationToken.None, TaskCreationOptions.None,
            new ConcurrentExclusiveSchedulerPair().ExclusiveScheduler);
        Assert.Equal(found, await scheduled);
    }

    /// <summary>A number would be wrong inside a user namespace: the bus takes the socket's credentials.</summary>
    [Fact]
    public void The_bus_is_told_no_user_number()
    {
        using var peer = new Peer("DATA\r\nOK 1234deadbeef\r\n");
        LinuxException e = Assert.Throws<LinuxException>(() => peer.Open(1.5));
        Assert.Equal((Errno.ETIMEDOUT, "Hello"), (e.Errno, e.Call));
        Assert.StartsWith("\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\nl\u0001", Encoding.Latin1.GetString(peer.Received));
    }

    [Theory]
    [InlineData("REJECTED EXTERNAL\r\n", Errno.EACCES, "The bus refuses this user.")]
    [InlineData("DATA\r\nREJECTED\r\n", Errno.EACCES, "The bus refuses this user.")]
    [InlineData("DATA\r\n", Errno.ETIMEDOUT, "did not answer in time")]
    [InlineData("HTTP/1.1 400 Bad Request\r\n", Errno.EBADMSG, "What listens there is not a bus.")]
    [InlineData("DATA\r\nOK 1\r\nThis is not a message of D-Bus at all", Errno.ECONNRESET, "The connection has ended")]
    public void A_peer_that_is_no_bus_of_this_user_s_is_told(string answer, Errno errno, string remedy)
    {
        using var peer = new Peer(answer);
        LinuxException e = Assert.Throws<LinuxException>(() => peer.Open(errno == Errno.ETIMEDOUT ? 0.3 : 20));
        Assert.Equal(errno, e.Errno);
        Assert.Contains(remedy, e.Message);
    }

    [Fact]
    public void A_bus_that_is_not_there_is_told_with_its_address()
    {
        LinuxException e = Assert.Throws<LinuxException>(() => SystemdBus.Open(BusAddress.Parse("unix:path=/no/such%20bus"), "the bus",
            TimeSpan.FromSeconds(1), "Start it."));
        Assert.Equal("Cannot connect to the bus: connect(2) failed with ENOENT (no such file or directory). "
            + "It is to listen at \"/no/such bus\". Start it.", e.Message);
        Assert.Throws<LinuxException>(() => SystemdBus.Open([], "the bus", TimeSpan.FromSeconds(1), "Start it."));
        Assert.Throws<LinuxException>(() => SystemdBus.Open([new byte[200]], "the bus", TimeSpan.FromSeconds(1), "Start it."));
    }

    [Theory]
    [InlineData("unix:path=/run/user/1000/bus", "/run/user/1000/bus")]
    [InlineData("unix:path=/a%20b%2c,guid=0123", "/a b,")]
    [InlineData("unix:abstract=/tmp/dbus-X,guid=1", "@/tmp/dbus-X")]
    [InlineData("tcp:host=localhost,port=1;unix:guid=1,path=/x;unix:path=/y", "/x|/y")]
    [InlineData("unix:path=/bad%zz;unix:path=/cut%2", "")]
    [InlineData("autolaunch:", "")]
    [InlineData("", "")]
    public void Addresses_are_read_as_the_specification_has_them(string address, string sockets) =>
        Assert.Equal(sockets, string.Join('|', BusAddress.Parse(address).Select(s => Encoding.UTF8.GetString(s).Replace('\0', '@'))));

    private sealed class DeadContext : SynchronizationContext
    {
        internal int Posted;

        public override void Post(SendOrPostCallback d, object? state) => Posted++;

        public override void Send(SendOrPostCallback d, object? state) => Posted++;
    }

    /// <summary>Answers with one text and then with nothing, and keeps what it gets.</summary>
    private sealed class Peer : IDisposable
    {
        private readonly string _name = $"isolation-peer-{Guid.NewGuid():N}";
        private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        private readonly Thread _thread;
        private readonly MemoryStream _received = new();

        internal Peer(string answer)
        {
            _listener.Bind(new UnixDomainSocketEndPoint("\0" + _name));
            _listener.Listen();
            _thread = new Thread(() =>
            {
                using Socket socket = _listener.Accept();
                socket.Send(Encoding.ASCII.GetBytes(answer));
                var buffer = new byte[4096];
                for (int count = socket.Receive(buffer); count > 0; count = socket.Receive(buffer))
                    _received.Write(buffer, 0, count);
            });
            _thread.Start();
        }

        internal byte[] Received
        {
            get
            {
                _thread.Join();
                return _received.ToArray();
            }
        }

        internal SystemdBus Open(double seconds) => SystemdBus.Open([[0, .. Encoding.ASCII.GetBytes(_name)]], "the peer",
            TimeSpan.FromSeconds(seconds), "Start it.");

        public void Dispose()
        {
            _thread.Join();
            _listener.Dispose();
        }
    }
}
