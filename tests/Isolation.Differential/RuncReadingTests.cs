using System.Text.Json.Nodes;
using Isolation.Linux;
using Isolation.Properties;
using Isolation.Security;

namespace Isolation.Differential;

/// <summary>A filter that is written as a profile decides alike wherever the profile is read:
/// here, by runc, and by the kernel under runc.</summary>
public class RuncReadingTests
{
    private const int Seed = 20261128;

    [Fact]
    public void A_filter_that_is_written_decides_the_same_as_runc_and_libseccomp_read_it()
    {
        Assert.SkipUnless(Libseccomp.IsInstalled, "needs libseccomp2");
        var random = new Random(Seed);
        int calls = 0, skipped = 0;
        for (int i = 0; i < RandomFilters.Cases; i++)
        {
            SeccompFilter filter = i < RandomFilters.Presets.Length ? RandomFilters.Presets[i]
                : i % 5 == 0 ? RandomFilters.Next(random)
                : RandomFilters.AsWritten(random);
            // 32-bit architectures differ in what docs/seccomp.md explains, whoever writes the profile.
            filter = filter.WithArchitectures(random.Next(2) == 0 ? SeccompArchitecture.X64 : SeccompArchitecture.Arm64);
            if (RandomFilters.Write(filter) is not { } json)
            {
                skipped++;
                continue;
            }

            RuncReading theirs = RuncReading.Compile(json);
            foreach (SeccompCall call in RandomFilters.Calls(random, filter).Concat(RandomFilters.Numbers(random, filter)))
            {
                bool isBeyond = RandomFilters.IsBeyondTheTable(filter, call);
                // The number -1, a tracer's "skip", is newer to runc where the architecture is none of x86-64's.
                if (call.Number == uint.MaxValue)
                    continue;
                if (!isBeyond && (call.Name is null || !Libseccomp.Knows(filter.Architectures[0], call.Name)))
                    continue;
                SeccompVerdict verdict = isBeyond && SeccompProfile.RefusesNewer(filter.DefaultAction)
                    ? filter.WithNewerSyscalls(SeccompAction.Errno(Errno.ENOSYS)).Explain(call)
                    : filter.Explain(call);
                SeccompAction they = theirs.Evaluate(call);
                Assert.True(verdict.Action == they,
                    $"Case {i} of seed {Seed}: the filter says {verdict}\nrunc's reading {they}\n{filter}\n{json}");
                calls++;
            }
        }

        TestContext.Current.TestOutputHelper!.WriteLine(
            $"{calls} calls of {RandomFilters.Cases} filters, of which {skipped} could not be written");
        // Of those that people write, all but a few must be sayable.
        Assert.True(skipped <= RandomFilters.Cases / 5, $"{skipped} of {RandomFilters.Cases} filters could not be written");
        Assert.True(calls > 20 * RandomFilters.Cases, $"only {calls} calls were compared");
    }
}
