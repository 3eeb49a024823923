using System.Collections.Immutable;
using Isolation.Linux;
using Isolation.Security;

namespace Isolation.Properties;

/// <summary>Laws that keep a refusal from being got around: by bits that the kernel does not look at,
/// and by a profile that says less than its filter.</summary>
public class SeccompLaws
{
    private const int Seed = 20261127;

    [Fact]
    public void Bits_that_the_kernel_does_not_take_of_an_argument_never_change_the_verdict()
    {
        var random = new Random(Seed);
        ImmutableArray<SeccompFilter> presets = [.. RandomFilters.Presets.Select(p => p.WithArchitectures(SeccompArchitecture.X64,
            SeccompArchitecture.Arm64))];
        int conditional = 0;
        for (int i = 0; i < RandomFilters.Cases; i++)
        {
            SeccompFilter filter = i % 2 == 0 ? presets[random.Next(presets.Length)] : RandomFilters.OfGroup(random);
            SeccompArchitecture architecture = filter.Architectures[random.Next(2)];
            string[] looked = [.. filter.Rules.Where(r => !r.Conditions.IsEmpty).Select(r => r.Syscall)
                .Where(SyscallParameters.Narrow.Contains)];
            string[] names = looked.Length > 0 && random.Next(4) > 0 ? looked : [.. SyscallParameters.Narrow.Order(StringComparer.Ordinal)];
            string name = names[random.Next(names.Length)];
            if (SyscallTable.For(architecture).Number(name) is not { } number)
                continue;
            conditional += looked.Contains(name) ? 1 : 0;
            ulong[] arguments = RandomFilters.Arguments(random, filter, name);
            ulong[] taken = [.. arguments.Select((a, p) => a & SyscallParameters.Mask(name, p))];
            SeccompCall call = SeccompCall.Of(architecture, number, arguments), same = SeccompCall.Of(architecture, number, taken);
            SeccompAction verdict = filter.Explain(same).Action;
            Assert.True(filter.Explain(call).Action == verdict,
                $"Case {i} of seed {Seed}: {call} is answered otherwise than {same}, and is the same to the kernel.\n{filter}");
            Assert.Equal(verdict, filter.Compile().Evaluate(call));
        }

        Assert.True(conditional > RandomFilters.Cases / 3, $"only {conditional} calls met a rule with conditions");
    }

    [Fact]
    public void A_filter_that_is_written_and_read_back_decides_as_it_did()
    {
        var random = new Random(Seed + 1);
        int refused = 0, calls = 0;
        for (int i = 0; i < RandomFilters.Cases; i++)
        {
            SeccompFilter filter = i < RandomFilters.Presets.Length ? RandomFilters.Presets[i]
                : i % 5 == 0 ? RandomFilters.Next(random)
                : RandomFilters.AsWritten(random);
            if (RandomFilters.Write(filter) is not { } json)
            {
                refused++;
                continue;
            }

            SeccompFilter read = SeccompProfile.Read(json, new SeccompProfileHost { Architecture = filter.Architectures[0] });
            // Of some hundred rules for one call no program may be made.
            SeccompProgram? program = read.Rules.Length < 100 ? read.Compile() : null;
            Assert.Equal(filter.Architectures, read.Architectures);
            Assert.Equal(filter.Flags, read.Flags);
            foreach (SeccompCall call in RandomFilters.Calls(random, filter).Concat(RandomFilters.Numbers(random, filter)))
            {
                // A profile has one word for calls that no table has.
                SeccompVerdict verdict = RandomFilters.IsBeyondTheTable(filter, call) && SeccompProfile.RefusesNewer(filter.DefaultAction)
                    ? filter.WithNewerSyscalls(SeccompAction.Errno(Errno.ENOSYS)).Explain(call)
                    : filter.Explain(call);
                Assert.True(verdict.Action == read.Explain(call).Action,
                    $"Case {i} of seed {Seed + 1}: the filter says {verdict}\nthe profile {read.Explain(call)}\n{filter}\n{json}");
                Assert.Equal(verdict.Action, program?.Evaluate(call) ?? verdict.Action);
                calls++;
            }
        }

        TestContext.Current.TestOutputHelper!.WriteLine(
            $"{calls} calls of {RandomFilters.Cases} filters, of which {refused} could not be written");
        // Of those that people write, all but a few must be sayable.
        Assert.True(refused <= RandomFilters.Cases / 5, $"{refused} of {RandomFilters.Cases} filters could not be written");
        Assert.True(calls > 20 * RandomFilters.Cases, $"only {calls} calls were compared");
    }
}
