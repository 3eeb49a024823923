namespace Isolation.Linux.Systemd;

/// <summary>A connection to the bus of a systemd instance, and calls over it. For one thread at a time.</summary>
internal sealed unsafe class SdBusConnection : IDisposable
{
    private readonly TimeSpan _timeout;
    private nint _bus;

    private SdBusConnection(nint bus, TimeSpan timeout) => (_bus, _timeout) = (bus, timeout);

    /// <summary>Connects to the system's bus, or to this user's.</summary>
    /// <exception cref="LinuxException">There is no such bus, or it refuses this user.</exception>
    /// <exception cref="KernelFeatureException">libsystemd is not installed.</exception>
    internal static SdBusConnection Open(bool user, TimeSpan timeout)
    {
        if (!SdBus.IsAvailable)
            throw new KernelFeatureException("systemd's bus", "libsystemd.so.0 is not installed", "Install the package libsystemd0.");
        nint bus;
        int result = user ? SdBus.OpenUser(&bus) : SdBus.OpenSystem(&bus);
        return result >= 0 ? new SdBusConnection(bus, timeout) : throw new LinuxException("connect to",
            user ? "the user's bus" : "the system's bus", user ? "sd_bus_open_user(3)" : "sd_bus_open_system(3)", (Errno)(-result),
            remedy: user
                ? "It needs XDG_RUNTIME_DIR or DBUS_SESSION_BUS_ADDRESS in the environment, and a user instance of "
                    + "systemd: loginctl enable-linger USER."
                : "systemd and dbus must be running.");
    }

    /// <summary>Makes a call of systemd's manager and hands its reply to a reader.</summary>
    internal T Call<T>(string path, string @interface, string member, string subject, Action<SdBusWriter> write, Func<SdBusReader, T> read)
    {
        nint message, reply = 0;
        Check(SdBus.NewCall(_bus, &message, "org.freedesktop.systemd1", path, @interface, member), member, subject, null);
        try
        {
            write(new SdBusWriter(message, member, subject));
            int result = SdBus.Call(_bus, message, (ulong)_timeout.TotalMicroseconds, &reply, out string? error);
            Check(result, member, subject, error);
            return read(new SdBusReader(reply, member, subject));
        }
        finally
        {
            SdBus.Unref(message);
            if (reply != 0)
                SdBus.Unref(reply);
        }
    }

    internal static void Check(int result, string member, string subject, string? said)
    {
        if (result < 0)
            throw new LinuxException("manage", subject, $"systemd's {member}", (Errno)(-result), remedy: said is null
                ? ((Errno)(-result) == Errno.ETIMEDOUT ? "systemd did not answer in time." : null)
                : $"systemd says: {said}");
    }

    public void Dispose()
    {
        if (_bus != 0)
            SdBus.Close(_bus);
        _bus = 0;
    }
}

/// <summary>Builds a message, piece by piece.</summary>
internal readonly struct SdBusWriter(nint message, string member, string subject)
{
    internal void String(string text, char type = 's') => Check(SdBus.AppendString(message, type, text));

    internal void Bool(bool value) => Check(SdBus.AppendNumber(message, 'b', value ? 1u : 0));

    internal void UInt32(uint value) => Check(SdBus.AppendNumber(message, 'u', value));

    internal void UInt64(ulong value) => Check(SdBus.AppendNumber(message, 't', value));

    internal void Bytes(ReadOnlySpan<byte> bytes) => Check(SdBus.AppendArray(message, 'y', bytes));

    /// <summary>Writes an array, a struct (<c>r</c>) or a variant (<c>v</c>) whose contents the action writes.</summary>
    internal void Container(char type, string contents, Action<SdBusWriter> write)
    {
        Check(SdBus.OpenContainer(message, type, contents));
        write(this);
        Check(SdBus.CloseContainer(message));
    }

    private void Check(int result) => SdBusConnection.Check(result, member, subject, null);
}

/// <summary>Reads a reply.</summary>
internal readonly struct SdBusReader(nint message, string member, string subject)
{
    internal string String(char type = 's')
    {
        SdBusConnection.Check(SdBus.ReadString(message, type, out string text), member, subject, null);
        return text;
    }

    /// <summary>Enters a variant with a boolean.</summary>
    internal bool BoolVariant()
    {
        SdBusConnection.Check(SdBus.EnterContainer(message, 'v', "b"), member, subject, null);
        SdBusConnection.Check(SdBus.ReadBool(message, out bool value), member, subject, null);
        return value;
    }

    /// <summary>Enters a variant with a string.</summary>
    internal string StringVariant()
    {
        SdBusConnection.Check(SdBus.EnterContainer(message, 'v', "s"), member, subject, null);
        return String();
    }
}
