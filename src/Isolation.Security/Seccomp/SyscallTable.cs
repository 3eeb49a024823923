using System.Globalization;

namespace Isolation.Security;

/// <summary>The system calls of an architecture, by name and number.
/// Generated from the headers of one kernel version: <see cref="Version"/>.</summary>
/// <remarks>See syscalls(2).</remarks>
public sealed partial class SyscallTable
{
    private static readonly Lazy<SyscallTable>[] s_tables =
    [
        new(() => new(SeccompArchitecture.X64, X64Calls, 0)),
        new(() => new(SeccompArchitecture.X32, X32Calls, SeccompArchitectures.X32Bit)),
        new(() => new(SeccompArchitecture.X86, X86Calls, 0)),
        new(() => new(SeccompArchitecture.Arm64, Arm64Calls, 0)),
        new(() => new(SeccompArchitecture.Arm, ArmCalls, 0)),
    ];

    // syscalls(2) and libseccomp's table: what only mips, powerpc, riscv, s390, sh and sparc have.
    private const string OfOtherMachines = """
        atomic_barrier atomic_cmpxchg_32 cachectl getpagesize multiplexer or1k_atomic riscv_flush_icache riscv_hwprobe rtas
        s390_guarded_storage s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr s390_sthyi spu_create spu_run subpage_prot
        swapcontext switch_endian sync_file_range2 sys_debug_setcontext syscall sysmips timerfd utrap_install
        """;

    private readonly Dictionary<string, uint> _numbers = new(512, StringComparer.Ordinal);
    private readonly Dictionary<uint, string> _names = new(512);

    private SyscallTable(SeccompArchitecture architecture, string text, uint bit)
    {
        Architecture = architecture;
        foreach (ReadOnlySpan<char> line in text.AsSpan().EnumerateLines())
        {
            int space = line.IndexOf(' ');
            uint number = uint.Parse(line[..space], CultureInfo.InvariantCulture) | bit;
            string name = line[(space + 1)..].ToString();
            _numbers.Add(name, number);
            _names.Add(number, name);
            if (number < architecture.NumbersEnd())
                Highest = Math.Max(Highest, number);
        }
    }

    /// <summary>Whose calls these are.</summary>
    public SeccompArchitecture Architecture { get; }

    /// <summary>The highest number, 32-bit Arm's own calls from 0xf0000 on left out; what lies above is newer than the table.
    /// x32's numbers have bit 30 set.</summary>
    public uint Highest { get; }

    /// <summary>The names, in no order.</summary>
    public IEnumerable<string> Names => _numbers.Keys;

    /// <summary>The table of an architecture.</summary>
    public static SyscallTable For(SeccompArchitecture architecture) => (int)architecture is >= 0 and < 5
        ? s_tables[(int)architecture].Value
        : throw new ArgumentOutOfRangeException(nameof(architecture), architecture, "Unknown architecture.");

    /// <summary>The number of a call; null where the architecture, or the kernel version of the table, has no such call.</summary>
    public uint? Number(string name) => _numbers.TryGetValue(name, out uint number) ? number : null;

    /// <summary>The name of a number; null where the table has none.</summary>
    public string? Name(uint number) => _names.GetValueOrDefault(number);

    /// <summary>The name where there is one, else the number.</summary>
    internal string Text(uint number) => Name(number) ?? number.ToString(CultureInfo.InvariantCulture);

    /// <summary>Whether any architecture has a call of that name.</summary>
    internal static bool IsKnown(string name) => s_tables.Any(t => t.Value._numbers.ContainsKey(name));

    /// <summary>Whether only architectures that no filter here is for have a call of that name.</summary>
    internal static bool IsOfAnotherMachine(string name) =>
        OfOtherMachines.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Contains(name);

    /// <summary>The known name that is nearest to a misspelt one; null where none is near.</summary>
    internal static string? Nearest(string name) => s_tables[0].Value.Names.Concat(s_tables[2].Value.Names)
        .Select(known => (Known: known, Distance: Distance(known, name)))
        .Where(n => n.Distance <= Math.Max(1, name.Length / 4))
        .OrderBy(n => n.Distance).ThenBy(n => n.Known, StringComparer.Ordinal)
        .Select(n => n.Known).FirstOrDefault();

    // Levenshtein's.
    private static int Distance(string a, string b)
    {
        if (Math.Abs(a.Length - b.Length) > 3)
            return int.MaxValue;
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0]++;
            for (int j = 1; j <= b.Length; j++)
                (diagonal, row[j]) = (row[j], Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)));
        }

        return row[^1];
    }
}
