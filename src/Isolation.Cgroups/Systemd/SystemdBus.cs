using System.Collections.Immutable;
using Isolation.Linux;
using Tmds.DBus.Protocol;

namespace Isolation.Cgroups;

/// <summary>Writes arguments of a call, or a value.</summary>
internal delegate void BusWrite(ref MessageWriter writer);

/// <summary>A connection to the bus of a systemd instance, and calls over it. For one thread at a time.</summary>
/// <remarks>A call is finished on the caller's thread, by <see cref="BusStream"/>; where its time is over the connection goes on, and a
/// late reply is dropped.</remarks>
internal sealed class SystemdBus : IDisposable
{
    internal const string Manager = "/org/freedesktop/systemd1", ManagerInterface = "org.freedesktop.systemd1.Manager";

    private readonly BusStream _stream;
    private readonly DBusConnection _connection;
    private readonly TimeSpan _timeout;

    private SystemdBus(BusStream stream, TimeSpan timeout) =>
        (_stream, _connection, _timeout) = (stream, new DBusConnection(new Options(stream)), timeout);

    /// <summary>Connects to the system's bus, or to this user's.</summary>
    /// <exception cref="LinuxException">There is no such bus, or it refuses this user.</exception>
    internal static SystemdBus Open(bool user, TimeSpan timeout) => user
        ? Open(BusAddress.Find(user), "the user's bus", timeout, "It needs XDG_RUNTIME_DIR or DBUS_SESSION_BUS_ADDRESS in the "
            + "environment, and a user instance of systemd: loginctl enable-linger USER.")
        : Open(BusAddress.Find(user), "the system's bus", timeout, "systemd and dbus must be running.");

    /// <summary>Connects to the first of some sockets that answers.</summary>
    internal static SystemdBus Open(ImmutableArray<byte[]> sockets, string name, TimeSpan timeout, string remedy)
    {
        BusStream stream = BusStream.Connect(sockets, name, timeout, remedy);
        var bus = new SystemdBus(stream, timeout);
        try
        {
            bus.Finish(bus._connection.ConnectAsync().AsTask(), "connect to", name, "Hello");
            return bus;
        }
        catch
        {
            bus.Dispose();
            throw;
        }
    }

    /// <summary>Makes a call of systemd's manager that has no result of interest.</summary>
    internal void Call(string member, string signature, string unit, BusWrite write) =>
        Call(Manager, ManagerInterface, member, signature, unit, write, static (_, _) => true);

    /// <summary>Makes a call of systemd and reads its reply.</summary>
    /// <param name="path">The object.</param>
    /// <param name="interface">The interface.</param>
    /// <param name="member">The method.</param>
    /// <param name="signature">The types of the arguments.</param>
    /// <param name="unit">The unit's name, for errors.</param>
    /// <param name="write">Writes the arguments.</param>
    /// <param name="read">Reads the reply.</param>
    /// <exception cref="LinuxException">systemd or the bus refused it; <c>ETIMEDOUT</c>: no reply in time.</exception>
    internal T Call<T>(string path, string @interface, string member, string signature, string unit, BusWrite write,
        MessageValueReader<T> read)
    {
        MessageWriter writer = _connection.GetMessageWriter();
        MessageBuffer message;
        try
        {
            writer.WriteMethodCallHeader("org.freedesktop.systemd1", path, @interface, member, signature);
            write(ref writer);
            message = writer.CreateMessage();
        }
        finally
        {
            writer.Dispose();
        }

        Task<T> call = _connection.CallMethodAsync(message, read);
        Finish(call, "manage", $"unit \"{unit}\"", $"systemd's {member}");
        return call.Result;
    }

    /// <summary>A method that gives an object's path: <c>GetUnit</c>, <c>LoadUnit</c>.</summary>
    internal string PathOf(string member, string unit) => Call(Manager, ManagerInterface, member, "s", unit,
        (ref writer) => writer.WriteString(unit), static (reply, _) => Body(reply, "o").ReadObjectPathAsString());

    /// <summary>Reads a property that is a text.</summary>
    internal string Text(string path, string @interface, string property, string unit) =>
        Property(path, @interface, property, unit, static (reply, _) => Variant(reply, "s").ReadString());

    /// <summary>Reads a property that is true or false.</summary>
    internal bool Bool(string path, string @interface, string property, string unit) =>
        Property(path, @interface, property, unit, static (reply, _) => Variant(reply, "b").ReadBool());

    public void Dispose()
    {
        _connection.Dispose();
        _stream.Dispose();
    }

    private T Property<T>(string path, string @interface, string property, string unit, MessageValueReader<T> read) =>
        Call(path, "org.freedesktop.DBus.Properties", "Get", "ss", unit, (ref writer) =>
        {
            writer.WriteString(@interface);
            writer.WriteString(property);
        }, read);

    private static Reader Body(Message reply, string signature) => reply.SignatureAsString == signature ? reply.GetBodyReader()
        : throw new InvalidDataException($"The reply is of type \"{reply.SignatureAsString}\", not \"{signature}\".");

    private static Reader Variant(Message reply, string type)
    {
        Reader reader = Body(reply, "v");
        string found = reader.ReadSignatureAsString();
        return found == type ? reader : throw new InvalidDataException($"The property is of type \"{found}\", not \"{type}\".");
    }

    private void Finish(Task call, string action, string subject, string name)
    {
        if (!_stream.TryFinish(call, _timeout))
        {
            // Nobody looks at it any more; an error that comes later is no unobserved one.
            _ = call.ContinueWith(static c => c.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously,
                TaskScheduler.Default);
            throw new LinuxException(action, subject, name, Errno.ETIMEDOUT, remedy: "systemd did not answer in time.");
        }

        try
        {
            call.GetAwaiter().GetResult();
        }
        catch (DBusErrorReplyException e)
        {
            Errno errno = BusErrors.ErrnoOf(e.ErrorName);
            throw new LinuxException(action, subject, name, errno, remedy: $"systemd says: {e.ErrorMessage.TrimEnd('.')} ({e.ErrorName})."
                + (errno == Errno.EACCES ? " Ask as root, or ask the user's own instance of systemd." : ""));
        }
        catch (Exception e) when (e is DBusConnectionException or IOException or ObjectDisposedException)
        {
            throw new LinuxException(action, subject, name, Errno.ECONNRESET, remedy: $"The connection has ended: {e.Message}");
        }
        catch (Exception e) when (e is InvalidDataException or DBusExceptionBase)
        {
            throw new LinuxException(action, subject, name, Errno.EBADMSG, remedy: e.Message);
        }
    }

    /// <summary>The stream is the connection; this process answers no calls, so that it needs no machine id.</summary>
    private sealed class Options(BusStream stream) : DBusConnectionOptions
    {
        protected override ValueTask<SetupResult> SetupAsync(CancellationToken cancellationToken) =>
            new(new SetupResult { ConnectionStream = stream, UserId = "", MachineId = new string('0', 32) });
    }
}
