using System.Runtime.InteropServices;
using Isolation.Security;

namespace Isolation.Differential;

/// <summary>libseccomp, the compiler of the other runtimes, fed with a filter of ours.</summary>
internal static unsafe partial class Libseccomp
{
    private const string Library = "libseccomp.so.2";

    private static readonly uint[] s_architectures = [0xC000003E, 0x4000003E, 0x40000003, 0xC00000B7, 0x40000028];

    // SCMP_CMP_*: EQ NE LT LE GT GE MASKED_EQ
    private static readonly int[] s_comparisons = [4, 1, 2, 3, 6, 5, 7];

    internal static bool IsInstalled => NativeLibrary.TryLoad(Library, typeof(Libseccomp).Assembly, null, out _);

    /// <summary>Whether it knows a call on an architecture.</summary>
    internal static bool Knows(SeccompArchitecture architecture, string name) => seccomp_syscall_resolve_name_arch(s_architectures[(int)architecture], name) >= 0;

    /// <summary>Compiles a filter. Calls that it has no name for are left out.</summary>
    internal static SeccompProgram Compile(SeccompFilter filter, bool tree = false)
    {
        nint context = seccomp_init(filter.DefaultAction.Value);
        try
        {
            Check(seccomp_attr_set(context, 2, filter.ForeignArchitectures.Value), "SCMP_FLTATR_ACT_BADARCH");
            if (tree)
                Check(seccomp_attr_set(context, 8, 2), "SCMP_FLTATR_CTL_OPTIMIZE");
            foreach (SeccompArchitecture architecture in filter.Architectures)
            {
                int added = seccomp_arch_add(context, s_architectures[(int)architecture]);
                if (added != -17) // it is there
                    Check(added, $"add {architecture}");
            }

            uint native = seccomp_arch_native();
            if (!filter.Architectures.Any(a => s_architectures[(int)a] == native))
                Check(seccomp_arch_remove(context, native), "remove the native architecture");
            foreach (SeccompRule rule in filter.Rules)
                Add(context, rule);
            return Export(context);
        }
        finally
        {
            seccomp_release(context);
        }
    }

    private static void Add(nint context, SeccompRule rule)
    {
        int number = seccomp_syscall_resolve_name(rule.Syscall);
        if (number == -1)
            return;

        var conditions = new scmp_arg_cmp[Math.Max(1, rule.Conditions.Length)];
        for (int i = 0; i < rule.Conditions.Length; i++)
        {
            SeccompCondition condition = rule.Conditions[i];
            bool masked = condition.Comparison == SeccompComparison.MaskedEqual;
            conditions[i] = new scmp_arg_cmp
            {
                arg = (uint)condition.Argument,
                op = s_comparisons[(int)condition.Comparison],
                datum_a = masked ? condition.Mask : condition.Value,
                datum_b = masked ? condition.Value : 0,
            };
        }

        fixed (scmp_arg_cmp* pointer = conditions)
        {
            int added = seccomp_rule_add_array(context, rule.Action.Value, number, (uint)rule.Conditions.Length, pointer);
            // -EEXIST: the rule is there, or a wider one.
            if (added is not (0 or -17))
                throw new InvalidOperationException($"libseccomp refused \"{rule}\": {added}.");
        }
    }

    private static SeccompProgram Export(nint context)
    {
        string path = Path.GetTempFileName();
        try
        {
            using (var file = new FileStream(path, FileMode.Truncate))
                Check(seccomp_export_bpf(context, (int)file.SafeFileHandle.DangerousGetHandle()), "export");
            return SeccompProgram.FromBytes(File.ReadAllBytes(path));
        }
        finally
        {
            File.Delete(path);
        }
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
