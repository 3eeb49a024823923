using System.Globalization;
using System.Numerics;
using System.Text;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>A set of capabilities: an immutable value, printed as <c>CAP_CHOWN CAP_KILL</c>.</summary>
/// <example><code>var set = CapabilitySet.DockerDefault.Remove(Capability.NetRaw);</code></example>
/// <param name="Bits">Bit n stands for capability n, as in <c>CapEff</c> of /proc/PID/status.</param>
public readonly record struct CapabilitySet(ulong Bits)
{
    /// <summary>No capability.</summary>
    public static CapabilitySet None => default;

    /// <summary>Every capability that the running kernel knows, those that prctl(PR_CAPBSET_READ) answers for.</summary>
    public static CapabilitySet All { get; } = new(ulong.MaxValue >> (63 - ReadLast()));

    /// <summary>The fourteen that Docker gives by default.</summary>
    public static CapabilitySet DockerDefault { get; } = Of(
        Capability.AuditWrite, Capability.Chown, Capability.DacOverride, Capability.Fowner, Capability.Fsetid,
        Capability.Kill, Capability.Mknod,
        Capability.NetBindService, Capability.NetRaw, Capability.Setfcap, Capability.Setgid, Capability.Setpcap, Capability.Setuid,
        Capability.SysChroot);

    /// <summary>The number of capabilities in the set.</summary>
    public int Count => BitOperations.PopCount(Bits);

    /// <summary>Whether the set is empty.</summary>
    public bool IsEmpty => Bits == 0;

    /// <summary>A set of the given capabilities.</summary>
    public static CapabilitySet Of(params ReadOnlySpan<Capability> capabilities)
    {
        ulong bits = 0;
        foreach (Capability capability in capabilities)
            bits |= 1ul << CheckedNumber(capability);
        return new(bits);
    }

    /// <summary>Whether a capability is in the set.</summary>
    public bool Contains(Capability capability) => (Bits >> CheckedNumber(capability) & 1) != 0;

    /// <summary>Whether every capability of the other set is in this one.</summary>
    public bool Contains(CapabilitySet other) => (other.Bits & ~Bits) == 0;

    /// <summary>This set with one more capability.</summary>
    public CapabilitySet Add(Capability capability) => new(Bits | 1ul << CheckedNumber(capability));

    /// <summary>This set without one capability.</summary>
    public CapabilitySet Remove(Capability capability) => new(Bits & ~(1ul << CheckedNumber(capability)));

    /// <summary>What is in both sets.</summary>
    public CapabilitySet Intersect(CapabilitySet other) => new(Bits & other.Bits);

    /// <summary>What is in either set.</summary>
    public CapabilitySet Union(CapabilitySet other) => new(Bits | other.Bits);

    /// <summary>What is in this set but not in the other.</summary>
    public CapabilitySet Except(CapabilitySet other) => new(Bits & ~other.Bits);

    /// <summary>Reads a capability's name as the kernel, OCI or Docker spell it:
    /// <c>CAP_NET_RAW</c>, <c>net_raw</c>, <c>NET_RAW</c>.</summary>
    /// <exception cref="FormatException">No capability has that name.</exception>
    public static Capability ParseName(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        string bare = name.StartsWith("CAP_", StringComparison.OrdinalIgnoreCase) ? name[4..] : name;
        foreach (Capability capability in Enum.GetValues<Capability>())
        {
            if (string.Equals(KernelName(capability)[4..], bare, StringComparison.OrdinalIgnoreCase))
                return capability;
        }

        // A later kernel's, which has no name here: as this library prints it.
        if (bare.Length < name.Length && int.TryParse(bare, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number <= 63
            && !Enum.IsDefined((Capability)number))
            return (Capability)number;
        throw new FormatException($"\"{name}\" is not a capability; names are those of capabilities(7), such as NET_BIND_SERVICE.");
    }

    /// <summary>The kernel's name of a capability: <c>CAP_NET_RAW</c>, or <c>CAP_63</c> for one that is not named here.</summary>
    public static string KernelName(Capability capability)
    {
        if (!Enum.IsDefined(capability))
            return string.Create(CultureInfo.InvariantCulture, $"CAP_{(int)capability}");
        var name = new StringBuilder("CAP");
        foreach (char letter in capability.ToString())
        {
            if (char.IsUpper(letter))
                name.Append('_');
            name.Append(char.ToUpperInvariant(letter));
        }

        return name.ToString();
    }

    /// <summary>Reads a list of names, divided by commas or spaces, in any spelling of <see cref="ParseName"/>;
    /// <c>all</c> and <c>none</c> stand for those sets.</summary>
    /// <exception cref="FormatException">No capability has that name.</exception>
    public static CapabilitySet Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        CapabilitySet set = None;
        foreach (string name in text.Split([',', ' ', '\t'], StringSplitOptions.RemoveEmptyEntries))
        {
            set = name.Equals("all", StringComparison.OrdinalIgnoreCase) ? set.Union(All)
                : name.Equals("none", StringComparison.OrdinalIgnoreCase) ? set
                : set.Add(ParseName(name));
        }

        return set;
    }

    /// <summary>The capabilities in the set, in the order of their numbers.</summary>
    public IEnumerable<Capability> Enumerate()
    {
        for (ulong rest = Bits; rest != 0; rest &= rest - 1)
            yield return (Capability)BitOperations.TrailingZeroCount(rest);
    }

    /// <inheritdoc/>
    public override string ToString() => IsEmpty ? "none" : string.Join(' ', Enumerate().Select(KernelName));

    /// <summary>The number of the last capability of the kernel. PR_CAPBSET_READ(2const): EINVAL for those that it does not know.
    /// Unlike /proc/sys/kernel/cap_last_cap it needs no /proc and no descriptor.</summary>
    internal static int ReadLast()
    {
        int last = 63;
        while (last > 0 && RawSyscall.Invoke(Syscall.prctl, Prctl.PR_CAPBSET_READ, (nuint)last).IsError)
            last--;
        // Capability 0 is always known: where not even that is answered, a filter refuses the question.
        return last > 0 ? last : (int)Capability.CheckpointRestore;
    }

    private static int CheckedNumber(Capability capability) => (int)capability is >= 0 and <= 63
        ? (int)capability
        : throw new ArgumentOutOfRangeException(nameof(capability), capability, "A capability's number is 0 to 63.");
}
