using FsCheck;
using FsCheck.Fluent;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Linux.Programs;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Properties;

/// <summary>Laws that hold for any input. A failure prints its seed.</summary>
public class Laws
{
    private static void Hold(Property property) => property.QuickCheckThrowOnFailure();

    [Fact]
    public void A_set_of_capabilities_reads_back_from_its_names() => Hold(Prop.ForAll<ulong>(bits =>
    {
        var set = new CapabilitySet(bits & 0x1ffffffffff);
        return set.IsEmpty || CapabilitySet.Of([.. set.ToString().Split(' ').Select(CapabilitySet.ParseName)]) == set;
    }));

    [Fact]
    public void Sets_of_capabilities_obey_de_morgan() => Hold(Prop.ForAll<ulong, ulong>((a, b) =>
    {
        CapabilitySet x = new(a), y = new(b), all = new(ulong.MaxValue);
        return all.Except(x.Union(y)) == all.Except(x).Intersect(all.Except(y)) && x.Except(y).Intersect(y).IsEmpty
            && x.Union(y).Contains(x);
    }));

    [Fact]
    public void An_id_map_reads_back_and_translates_there_and_back() => Hold(Prop.ForAll<NonEmptyArray<PositiveInt>>(counts =>
    {
        uint inside = 0, outside = 1_000_000;
        var ranges = new List<IdMapRange>();
        foreach (PositiveInt count in counts.Get.Take(340))
        {
            ranges.Add(new(inside, outside, (uint)count.Get));
            inside += (uint)count.Get + 3;
            outside += (uint)count.Get + 5;
        }

        var map = new IdMap(ranges);
        return IdMap.Parse(map.ToString()).Equals(map)
            && ranges.All(r => map.ToInside(map.ToOutside(r.Inside + r.Count - 1)!.Value) == r.Inside + r.Count - 1
                && map.ToOutside(r.Inside + r.Count) is null);
    }));

    [Fact]
    public void Any_text_is_a_mountinfo_or_a_format_exception() =>
        Hold(Prop.ForAll<string>(text => ValueOr<FormatException>(() => MountInfo.Parse(text ?? ""))));

    [Fact]
    public void Any_text_is_an_id_map_or_a_format_exception() =>
        Hold(Prop.ForAll<string>(text => ValueOr<FormatException>(() => IdMap.Parse(text ?? ""))));

    [Fact]
    public void Any_text_is_a_limit_or_a_format_exception() =>
        Hold(Prop.ForAll<string>(text => ValueOr<FormatException>(() => Rlimit.Parse(text ?? ""))));

    [Fact]
    public void Any_text_is_a_version_or_a_format_exception() =>
        Hold(Prop.ForAll<string>(text => ValueOr<FormatException>(() => KernelVersion.Parse(text ?? ""))));

    [Fact]
    public void Any_status_is_a_capability_state_or_a_format_exception() =>
        Hold(Prop.ForAll<string>(text => ValueOr<FormatException>(() => CapabilityState.Parse("CapBnd:" + text))));

    [Fact]
    public void Any_user_files_give_a_user_or_a_spec_exception() => Hold(Prop.ForAll<string, string>((passwd, group) =>
        ValueOr<SpecException>(() => UserFiles.Resolve(new ContainerBuilder(Rootfs.Host).WithUser("joe").AddGroup("audio").Build().Spec,
            "joe:" + passwd, group ?? ""))));

    [Fact]
    public void Any_text_without_a_nul_lies_in_the_arena_as_it_is() => Hold(Prop.ForAll<NonEmptyArray<NonNull<string>>>(texts =>
    {
        string[] strings = [.. texts.Get.Select(t => t.Get.Replace("\0", ""))
            .Where(t => t.IndexOfAny(['\ud800', '\udfff']) < 0 && !t.Any(char.IsSurrogate))];
        var writer = new SyscallProgramWriter(System.Runtime.InteropServices.Architecture.X64);
        writer.Add(new SyscallStep(Linux.Syscalls.Syscall.execve, "x", StepArgument.StringArray(strings), StepArgument.Null));
        byte[] image = writer.Build().Image;
        int array = (int)BitConverter.ToInt64(image, SyscallProgram.StepOffset(0) + InterpreterLayout.StepArguments + 8);
        return strings.Select((s, i) => (s, at: (int)BitConverter.ToInt64(image, array + (i * 8)))).All(p =>
            System.Text.Encoding.UTF8.GetString(image, p.at, Array.IndexOf(image, (byte)0, p.at) - p.at) == p.s);
    }));

    [Fact]
    public void Independent_builder_calls_commute() => Hold(Prop.ForAll<int>(seed =>
    {
        Func<ContainerBuilder, ContainerBuilder>[] calls =
        [
            b => b.WithHostName("h"), b => b.WithUser(1, 2), b => b.WithUmask(UnixFileMode.OtherRead),
            b => b.AddEnvironment("A", "1"),
            b => b.AddEnvironment("B", "2"), b => b.WithInit(),
            b => b.WithWorkingDirectory("/w"), b => b.WithOomScoreAdj(5), b => b.AddMount(new TmpfsMount("/t")),
            b => b.AddRlimit(new Rlimit(RlimitResource.Core, 0, 0)),
        ];
        Func<ContainerBuilder, ContainerBuilder>[] shuffled = [.. calls];
        new Random(seed).Shuffle(shuffled);
        string Plan(Func<ContainerBuilder, ContainerBuilder>[] order) =>
            order.Aggregate(new ContainerBuilder(Rootfs.Directory("/r")), (b, c) => c(b)).Build().ToString();
        return Plan(calls) == Plan(shuffled);
    }));

    [Fact]
    public void The_same_spec_and_facts_give_the_same_plan_and_the_same_words() =>
        Hold(Prop.ForAll<bool, bool, PositiveInt>((init, terminal, user) =>
        {
            ContainerSpec spec = new ContainerBuilder(Rootfs.Directory("/r")).WithInit(init).WithTerminal(terminal)
                .WithUser((uint)user.Get, 5).Build().Spec;
            LaunchPlan one = spec.Plan(s_facts), two = spec.Plan(s_facts);
            return one.ToDetailedString() == two.ToDetailedString()
                && one.Lowered.Launch.Program.Image.AsSpan().SequenceEqual(two.Lowered.Launch.Program.Image);
        }));

    [Fact]
    public void A_plan_needs_no_privilege_after_it_has_dropped_them() => Hold(Prop.ForAll<bool, bool, PositiveInt>((init, terminal, user) =>
    {
        LaunchPlan plan = new ContainerBuilder(Rootfs.Directory("/r")).WithInit(init).WithTerminal(terminal).WithUser((uint)user.Get, 5)
            .WithHostName("h").Build().Plan(s_facts);
        string[] privileged = ["mount", "pivot", "fsopen", "fsmount", "open_tree", "sethostname", "mknod", "setresuid",
            "setgroups", "setns", "umount"];
        int dropped = plan.Steps.ToList().FindIndex(s => s.Action == "set the capabilities to");
        return dropped > 0 && plan.Steps.Skip(dropped + 1).SelectMany(s => s.Calls)
            .All(c => !privileged.Any(p => c.Contains(p + "(") || c.StartsWith(p, StringComparison.Ordinal)));
    }));

    private static readonly HostFacts s_facts = new()
    {
        Kernel = new KernelVersion(6, 12),
        Architecture = System.Runtime.InteropServices.Architecture.X64,
        UserId = 0,
        GroupId = 0,
        Capabilities = new CapabilitySet(0x1ffffffffff),
        Bounding = new CapabilitySet(0x1ffffffffff),
        KnownCapabilities = new CapabilitySet(0x1ffffffffff),
    };

    private static bool ValueOr<TException>(Action action) where TException : Exception
    {
        try
        {
            action();
            return true;
        }
        catch (TException)
        {
            return true;
        }
    }
}
