using System.Runtime.InteropServices;
using System.Text;

namespace Isolation.Linux.Systemd;

/// <summary>The few calls of libsystemd's sd-bus that are needed, loaded at the first use. See sd-bus(3).</summary>
/// <remarks>Only functions with a fixed number of arguments are used: messages are built piece by piece.</remarks>
internal static unsafe class SdBus
{
    private static nint s_library;

    /// <summary>Whether libsystemd is there. What could not be loaded is looked for again.</summary>
    internal static bool IsAvailable => s_library != 0 || NativeLibrary.TryLoad("libsystemd.so.0", out s_library);

    internal static int OpenSystem(nint* bus) => ((delegate* unmanaged[Cdecl]<nint*, int>)Export("sd_bus_open_system"))(bus);

    internal static int OpenUser(nint* bus) => ((delegate* unmanaged[Cdecl]<nint*, int>)Export("sd_bus_open_user"))(bus);

    internal static void Close(nint bus) => ((delegate* unmanaged[Cdecl]<nint, nint>)Export("sd_bus_flush_close_unref"))(bus);

    internal static int NewCall(nint bus, nint* message, string destination, string path, string @interface, string member)
    {
        fixed (byte* d = Utf8(destination), p = Utf8(path), i = Utf8(@interface), m = Utf8(member))
            return ((delegate* unmanaged[Cdecl]<nint, nint*, byte*, byte*, byte*, byte*, int>)Export("sd_bus_message_new_method_call"))(bus,
                message, d, p, i, m);
    }

    internal static int OpenContainer(nint message, char type, string contents)
    {
        fixed (byte* c = Utf8(contents))
            return ((delegate* unmanaged[Cdecl]<nint, byte, byte*, int>)Export("sd_bus_message_open_container"))(message, (byte)type, c);
    }

    internal static int CloseContainer(nint message) =>
        ((delegate* unmanaged[Cdecl]<nint, int>)Export("sd_bus_message_close_container"))(message);

    /// <summary>Appends a string or another type that is one: s, o, g.</summary>
    internal static int AppendString(nint message, char type, string text)
    {
        fixed (byte* t = Utf8(text))
            return ((delegate* unmanaged[Cdecl]<nint, byte, void*, int>)Export("sd_bus_message_append_basic"))(message, (byte)type, t);
    }

    /// <summary>Appends a number: b and u take 4 bytes of it, t all 8.</summary>
    internal static int AppendNumber(nint message, char type, ulong value) =>
        ((delegate* unmanaged[Cdecl]<nint, byte, void*, int>)Export("sd_bus_message_append_basic"))(message, (byte)type, &value);

    internal static int AppendArray(nint message, char type, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* b = bytes)
            return ((delegate* unmanaged[Cdecl]<nint, byte, void*, nuint, int>)Export("sd_bus_message_append_array"))(message, (byte)type,
                b, (nuint)bytes.Length);
    }

    /// <summary>Sends a call and waits for the reply, for so many microseconds. On an error the bus's own words are returned.</summary>
    internal static int Call(nint bus, nint message, ulong microseconds, nint* reply, out string? error)
    {
        sd_bus_error told = default;
        int result = ((delegate* unmanaged[Cdecl]<nint, nint, ulong, sd_bus_error*, nint*, int>)Export("sd_bus_call"))(bus, message,
            microseconds, &told, reply);
        error = told.message == null ? null : Marshal.PtrToStringUTF8((nint)told.message);
        ((delegate* unmanaged[Cdecl]<sd_bus_error*, void>)Export("sd_bus_error_free"))(&told);
        return result;
    }

    /// <summary>Reads a string or object path from a reply.</summary>
    internal static int ReadString(nint message, char type, out string text)
    {
        byte* found = null;
        int result = ((delegate* unmanaged[Cdecl]<nint, byte, void*, int>)Export("sd_bus_message_read_basic"))(message, (byte)type, &found);
        text = Marshal.PtrToStringUTF8((nint)found) ?? "";
        return result;
    }

    /// <summary>Reads a boolean (<c>b</c>), which is an int in memory: sd_bus_message_read_basic(3).</summary>
    internal static int ReadBool(nint message, out bool value)
    {
        int found = 0;
        int result = ((delegate* unmanaged[Cdecl]<nint, byte, void*, int>)Export("sd_bus_message_read_basic"))(message, (byte)'b', &found);
        value = found != 0;
        return result;
    }

    internal static int EnterContainer(nint message, char type, string contents)
    {
        fixed (byte* c = Utf8(contents))
            return ((delegate* unmanaged[Cdecl]<nint, byte, byte*, int>)Export("sd_bus_message_enter_container"))(message, (byte)type, c);
    }

    internal static void Unref(nint message) => ((delegate* unmanaged[Cdecl]<nint, nint>)Export("sd_bus_message_unref"))(message);

    private static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text + "\0");

    private static nint Export(string name) => NativeLibrary.GetExport(s_library, name);

    /// <summary><c>sd_bus_error</c>, systemd/sd-bus.h.</summary>
    private struct sd_bus_error
    {
        internal byte* name, message;
        internal int need_free;
    }
}
