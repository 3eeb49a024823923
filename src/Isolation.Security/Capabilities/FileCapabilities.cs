using System.Buffers.Binary;
using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>The capabilities of an executable file: its <c>security.capability</c> attribute.
/// See capabilities(7), "File capabilities".</summary>
/// <remarks>The equivalents of getcap(8) and setcap(8). Without effect on mounts with nosuid and for processes with no_new_privs.</remarks>
/// <example><code>
/// new FileCapabilities(CapabilitySet.Of(Capability.NetRaw), CapabilitySet.None, Effective: true).Write("/usr/local/bin/ping");
/// </code></example>
/// <param name="Permitted">What the program gets if its bounding set has it.</param>
/// <param name="Inheritable">What it gets if the inheritable set of the caller has it.</param>
/// <param name="Effective">Whether what it gets is in force from the start.</param>
/// <param name="RootId">The user id that is 0 in the user namespace which alone the attribute is for: version 3, since Linux 4.14.
/// Null for the initial one: version 2.</param>
public sealed record FileCapabilities(CapabilitySet Permitted, CapabilitySet Inheritable, bool Effective, uint? RootId = null)
{
    private const string Name = "security.capability";
    private const uint Revision2 = 0x02000000, Revision3 = 0x03000000, RevisionMask = 0xff000000, EffectiveFlag = 1;

    /// <summary>Reads a file's capabilities; null where it has none.</summary>
    /// <exception cref="LinuxException"><c>ENOENT</c>: no such file.
    /// <c>EINVAL</c>: the attribute has a format that is not known.</exception>
    public static FileCapabilities? Read(string path)
    {
        Span<byte> value = stackalloc byte[64];
        SyscallResult result = ExtendedAttributeSyscalls.Get(path, Name, value);
        if (result.Errno is Errno.ENODATA or Errno.EOPNOTSUPP)
            return null;
        result.ThrowIfError("read the capabilities of", $"\"{path}\"", "getxattr(2)");
        return Decode(value[..(int)result.Value]) ?? throw new LinuxException("read the capabilities of", $"\"{path}\"", "getxattr(2)",
            Errno.EINVAL, remedy: "The attribute has a format that is not known.");
    }

    /// <summary>Sets a file's capabilities.</summary>
    /// <exception cref="LinuxException"><c>EPERM</c>: <c>CAP_SETFCAP</c> is missing.
    /// <c>EOPNOTSUPP</c>: the file system has no such attributes.</exception>
    public void Write(string path) =>
        ExtendedAttributeSyscalls.Set(path, Name, Encode()).ThrowIfError("set the capabilities of", $"\"{path}\" to \"{this}\"",
            "setxattr(2)", "It needs CAP_SETFCAP, and a file system with extended attributes.");

    /// <summary>Removes a file's capabilities; nothing happens where it has none.</summary>
    /// <exception cref="LinuxException"><c>EPERM</c>: <c>CAP_SETFCAP</c> is missing. <c>ENOENT</c>: no such file.</exception>
    public static void Remove(string path)
    {
        SyscallResult result = ExtendedAttributeSyscalls.Remove(path, Name);
        if (result.Errno != Errno.ENODATA)
            result.ThrowIfError("remove the capabilities of", $"\"{path}\"", "removexattr(2)");
    }

    /// <summary>The set as getcap(8) prints it: <c>cap_net_raw=ep</c>.</summary>
    public override string ToString()
    {
        var parts = new List<string>();
        foreach (IGrouping<string, Capability> group in Permitted.Union(Inheritable).Enumerate().GroupBy(Flags))
            parts.Add(string.Join(',', group.Select(c => CapabilitySet.KernelName(c).ToLowerInvariant())) + "=" + group.Key);
        string text = parts.Count == 0 ? "=" : string.Join(' ', parts);
        return RootId is { } root ? string.Create(CultureInfo.InvariantCulture, $"{text} [rootid={root}]") : text;
    }

    // struct vfs_cap_data, vfs_ns_cap_data: le32 magic_etc; { le32 permitted, inheritable; } [2]; le32 rootid
    internal byte[] Encode()
    {
        var bytes = new byte[RootId is null ? 20 : 24];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, (RootId is null ? Revision2 : Revision3) | (Effective ? EffectiveFlag : 0));
        for (int half = 0; half < 2; half++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4 + (half * 8)), (uint)(Permitted.Bits >> (half * 32)));
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(8 + (half * 8)), (uint)(Inheritable.Bits >> (half * 32)));
        }

        if (RootId is { } root)
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(20), root);
        return bytes;
    }

    internal static FileCapabilities? Decode(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < 4)
            return null;
        uint magic = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        uint revision = magic & RevisionMask;
        if (!(revision == Revision2 && bytes.Length == 20) && !(revision == Revision3 && bytes.Length == 24))
            return null;
        ulong permitted = 0, inheritable = 0;
        for (int half = 0; half < 2; half++)
        {
            permitted |= (ulong)BinaryPrimitives.ReadUInt32LittleEndian(bytes[(4 + (half * 8))..]) << (half * 32);
            inheritable |= (ulong)BinaryPrimitives.ReadUInt32LittleEndian(bytes[(8 + (half * 8))..]) << (half * 32);
        }

        return new(new(permitted), new(inheritable), (magic & EffectiveFlag) != 0,
            revision == Revision3 ? BinaryPrimitives.ReadUInt32LittleEndian(bytes[20..]) : null);
    }

    private string Flags(Capability capability) => (Effective ? "e" : "") + (Inheritable.Contains(capability) ? "i" : "")
        + (Permitted.Contains(capability) ? "p" : "");
}
