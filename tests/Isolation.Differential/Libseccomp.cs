using System.Runtime.InteropServices;
using Isolation.Security;

namespace Isolation.Differential;

/// <summary>libseccomp, the compiler of the other runtimes, fed with a filter of ours.</summary>
internal static class Libseccomp
{
    internal static bool IsInstalled => LibseccompFilter.IsInstalled;

    /// <summary>Whether it knows a call on an architecture.</summary>
    internal static bool Knows(SeccompArchitecture architecture, string name) => LibseccompFilter.Resolve(architecture, name) >= 0;

    /// <summary>Compiles a filter. Calls that it has no name for are left out.</summary>
    internal static SeccompProgram Compile(SeccompFilter filter, bool tree = false)
    {
        using var theirs = new LibseccompFilter(filter.DefaultAction.Value);
        theirs.Set(LibseccompFilter.BadArchitectureAction, filter.ForeignArchitectures.Value);
        if (tree)
            theirs.Set(LibseccompFilter.Optimize, 2);
        foreach (SeccompArchitecture architecture in filter.Architectures)
            theirs.AddArchitecture(architecture);
        theirs.RemoveNativeUnless(filter.Architectures);
        foreach (SeccompRule rule in filter.Rules)
        {
            if (LibseccompFilter.Resolve(rule.Syscall) is { } number && Conditions(rule) is { } conditions)
                theirs.Add(rule.Action.Value, number, conditions);
        }

        return theirs.Export();
    }

    private static LibseccompCondition[] Conditions(SeccompRule rule) => [.. rule.Conditions.Select(condition =>
    {
        bool masked = condition.Comparison == SeccompComparison.MaskedEqual;
        return new LibseccompCondition((uint)condition.Argument, SeccompProfile.Comparisons[(int)condition.Comparison],
            masked ? condition.Mask : condition.Value, masked ? condition.Value : 0);
    })];
}

/// <summary><c>struct scmp_arg_cmp</c>, with OCI's word for the comparison.</summary>
internal readonly record struct LibseccompCondition(uint Argument, string Comparison, ulong Value, ulong Second);

/// <summary>A <c>scmp_filter_ctx</c>.</summary>
internal sealed unsafe partial class LibseccompFilter : IDisposable
{
    internal const int BadArchitectureAction = 2, Optimize = 8; // SCMP_FLTATR_ACT_BADARCH, SCMP_FLTATR_CTL_OPTIMIZE

    private const string Library = "libseccomp.so.2";
    private const int EEXIST = 17;

    // SCMP_ARCH_*; what is not here is some other machine's.
    private static readonly (string Oci, uint Token)[] s_architectures =
        [("SCMP_ARCH_X86_64", 0xC000003E), ("SCMP_ARCH_X32", 0x4000003E), ("SCMP_ARCH_X86", 0x40000003), ("SCMP_ARCH_AARCH64", 0xC00000B7),
            ("SCMP_ARCH_ARM", 0x40000028)];

    // The order of enum scmp_compare.
    private static readonly string[] s_comparisons = ["", "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE",
        "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ"];

    private readonly nint _context;

    internal LibseccompFilter(uint defaultAction) => _context = seccomp_init(defaultAction);

    internal static bool IsInstalled => NativeLibrary.TryLoad(Library, typeof(LibseccompFilter).Assembly, null, out _);

    /// <summary>The native number of a call; null where libseccomp has no such name.</summary>
    internal static int? Resolve(string name) => seccomp_syscall_resolve_name(name) is var number && number == -1 ? null : number;

    internal static int Resolve(SeccompArchitecture architecture, string name) =>
        seccomp_syscall_resolve_name_arch(s_architectures[(int)architecture].Token, name);

    internal void Set(int attribute, uint value) => Check(seccomp_attr_set(_context, attribute, value), "attribute");

    internal void AddArchitecture(SeccompArchitecture architecture) => Add(s_architectures[(int)architecture].Token);

    internal void AddArchitecture(string oci) => Add(s_architectures.Single(a => a.Oci == oci).Token);

    internal void RemoveNativeUnless(IEnumerable<SeccompArchitecture> architectures)
    {
        uint native = seccomp_arch_native();
        if (!architectures.Any(a => s_architectures[(int)a].Token == native))
            Check(seccomp_arch_remove(_context, native), "remove the native architecture");
    }

    internal void Add(uint action, int number, params LibseccompCondition[] conditions)
    {
        var compared = new scmp_arg_cmp[Math.Max(1, conditions.Length)];
        for (int i = 0; i < conditions.Length; i++)
            compared[i] = new scmp_arg_cmp
            {
                arg = conditions[i].Argument,
                op = Array.IndexOf(s_comparisons, conditions[i].Comparison),
                datum_a = conditions[i].Value,
                datum_b = conditions[i].Second
            };
        fixed (scmp_arg_cmp* pointer = compared)
        {
            int added = seccomp_rule_add_array(_context, action, number, (uint)conditions.Length, pointer);
            // -EEXIST: the rule is there, or a wider one.
            if (added is not (0 or -EEXIST))
                throw new InvalidOperationException($"libseccomp refused a rule of call {number}: {added}.");
        }
    }

    internal SeccompProgram Export()
    {
        string path = Path.GetTempFileName();
        try
        {
            using (var file = new FileStream(path, FileMode.Truncate))
                Check(seccomp_export_bpf(_context, (int)file.SafeFileHandle.DangerousGetHandle()), "export");
            return SeccompProgram.FromBytes(File.ReadAllBytes(path));
        }
        finally
        {
            File.Delete(path);
        }
    }

    public void Dispose() => seccomp_release(_context);

    private void Add(uint token)
    {
        int added = seccomp_arch_add(_context, token);
        if (added != -EEXIST) // it is there
            Check(added, "add an architecture");
    }

    private static void Check(int result, string what)
    {
        if (result != 0)
            throw new InvalidOperationException($"libseccomp: {what}: {result}.");
    }

    private struct scmp_arg_cmp
    {
        internal uint arg;
        internal int op;
        internal ulong datum_a, datum_b;
    }

    [LibraryImport(Library)]
    private static partial nint seccomp_init(uint action);

    [LibraryImport(Library)]
    private static partial void seccomp_release(nint context);

    [LibraryImport(Library)]
    private static partial int seccomp_attr_set(nint context, int attribute, uint value);

    [LibraryImport(Library)]
    private static partial uint seccomp_arch_native();

    [LibraryImport(Library)]
    private static partial int seccomp_arch_add(nint context, uint token);

    [LibraryImport(Library)]
    private static partial int seccomp_arch_remove(nint context, uint token);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int seccomp_syscall_resolve_name(string name);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int seccomp_syscall_resolve_name_arch(uint token, string name);

    [LibraryImport(Library)]
    private static partial int seccomp_rule_add_array(nint context, uint action, int number, uint count, scmp_arg_cmp* conditions);

    [LibraryImport(Library)]
    private static partial int seccomp_export_bpf(nint context, int descriptor);
}
