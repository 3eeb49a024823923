using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>The processors that a thread may run on: an immutable value, printed as <c>0-3,8</c>. See sched_setaffinity(2).</summary>
/// <remarks>The thread itself may undo it; a limit that holds is <c>cpuset.cpus</c> of a control group.</remarks>
/// <example><code>CpuAffinity.Parse("0-3,8").SetForCurrentThread();</code></example>
public sealed record CpuAffinity
{
    private const int Maximum = 8192;

    private CpuAffinity(ImmutableSortedSet<int> processors) => Processors = processors;

    /// <summary>Their numbers.</summary>
    public ImmutableSortedSet<int> Processors { get; }

    /// <summary>The calling thread's.</summary>
    public static CpuAffinity OfCurrentThread
    {
        get
        {
            string line = TextFile.Lines(TextFile.Read("/proc/thread-self/status"))
                .First(l => l.StartsWith("Cpus_allowed_list:", StringComparison.Ordinal));
            return Parse(line[18..].Trim());
        }
    }

    /// <summary>Some processors.</summary>
    /// <exception cref="ArgumentException">None is given, or a number is out of range.</exception>
    public static CpuAffinity Of(params ReadOnlySpan<int> processors)
    {
        ImmutableSortedSet<int> set = [.. processors];
        return !set.IsEmpty && set.Min >= 0 && set.Max < Maximum
            ? new(set)
            : throw new ArgumentException($"Processors are numbered 0 to {Maximum - 1}, and one at least must be given.",
                nameof(processors));
    }

    /// <summary>Reads a list such as <c>0-3,8</c>.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static CpuAffinity Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var processors = new List<int>();
        foreach (string part in text.Split(','))
        {
            string[] ends = part.Split('-', 2);
            if (!int.TryParse(ends[0], NumberStyles.None, CultureInfo.InvariantCulture, out int first)
                || !int.TryParse(ends[^1], NumberStyles.None, CultureInfo.InvariantCulture, out int last)
                || last < first || last >= Maximum)
                throw new FormatException($"\"{text}\" is no list of processors such as 0-3,8.");
            processors.AddRange(Enumerable.Range(first, last - first + 1));
        }

        return Of([.. processors]);
    }

    /// <summary>Sets the calling thread's, and that of what it starts.</summary>
    /// <exception cref="LinuxException"><c>EINVAL</c>: none of them is on line and in the thread's cpuset.</exception>
    public void SetForCurrentThread() => ManagedInterpreter.Run(Step);

    /// <inheritdoc/>
    public bool Equals(CpuAffinity? other) => other is not null && Processors.SetEquals(other.Processors);

    /// <inheritdoc/>
    public override int GetHashCode() => Processors.Aggregate(0, (hash, p) => hash * 31 + p);

    /// <inheritdoc/>
    public override string ToString()
    {
        var parts = new List<string>();
        for (int i = 0; i < Processors.Count;)
        {
            int first = Processors[i], last = first;
            while (++i < Processors.Count && Processors[i] == last + 1)
                last++;
            parts.Add(first == last
                ? first.ToString(CultureInfo.InvariantCulture)
                : string.Create(CultureInfo.InvariantCulture, $"{first}-{last}"));
        }

        return string.Join(',', parts);
    }

    internal PlanStep Step
    {
        get
        {
            var mask = new ulong[(Processors.Max / 64) + 1];
            foreach (int processor in Processors)
                mask[processor / 64] |= 1ul << (processor % 64);
            return new PlanStep("set the CPU affinity to", ToString(),
                [new SyscallStep(Syscall.sched_setaffinity, 0, mask.Length * 8, StepArgument.Words($"[{this}]", mask))])
            {
                Hint = errno => errno == Errno.EINVAL ? "None of these processors is on line and in the cpuset." : null,
            };
        }
    }
}
