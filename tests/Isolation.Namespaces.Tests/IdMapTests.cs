using Isolation.Linux;

namespace Isolation.Namespaces.Tests;

public class IdMapTests
{
    [Fact]
    public void A_map_translates_both_ways()
    {
        IdMap map = IdMap.Parse("0:1000:1,1:100000:65536");
        Assert.Equal("0 1000 1\n1 100000 65536", map.ToString());
        Assert.Equal((1000u, 100_032u, null), (map.ToOutside(0)!.Value, map.ToOutside(33)!.Value, map.ToOutside(65_537)));
        Assert.Equal((0u, 33u, null), (map.ToInside(1000)!.Value, map.ToInside(100_032)!.Value, map.ToInside(0)));
        Assert.Equal(map, IdMap.Parse(map.ToString()));
        Assert.Equal(map.GetHashCode(), IdMap.Parse(map.ToString()).GetHashCode());
    }

    [Theory]
    [InlineData("")]
    [InlineData("0:1")]
    [InlineData("0:1:0")]
    [InlineData("a:b:c")]
    [InlineData("-1:0:1")]
    [InlineData("0:4294967295:1")]
    [InlineData("0:1000:10,5:2000:10")]
    [InlineData("0:1000:10,20:1005:10")]
    public void What_is_no_map_is_refused(string text) => Assert.Throws<FormatException>(() => IdMap.Parse(text));

    [Fact]
    public void More_ranges_than_the_kernel_takes_are_refused()
    {
        IEnumerable<IdMapRange> Ranges(int count) => Enumerable.Range(0, count).Select(i => new IdMapRange((uint)i * 2, (uint)i * 2, 1));
        Assert.Equal(340, new IdMap(Ranges(340)).Ranges.Length);
        Assert.Throws<ArgumentException>(() => new IdMap(Ranges(341)));
        Assert.Throws<ArgumentException>(() => new IdMap());
    }

    [Fact]
    public void Grants_are_read_by_name_and_number_and_bad_lines_are_passed_over()
    {
        const string Text =
            "# comment\nroot:1:2\njoe:100000:65536\n1000:300000:10\njoe:x:5\njoe:1\n:::\njoe:4294967295:2\n\njoe:500000:0\n";
        Assert.Equal([new(100_000, 65_536), new(300_000, 10)], SubIdFile.Parse(Text, "joe", 1000));
        Assert.Empty(SubIdFile.Parse(Text, "jane", 1001));
        Assert.Empty(SubIdFile.Read("/no/such/file", "joe", 1000));
        Assert.Equal("0 1000 1\n1 100000 65536\n65537 300000 10", SubIdFile.ToMap(1000, SubIdFile.Parse(Text, "joe", 1000))!.ToString());
        Assert.Null(SubIdFile.ToMap(1000, []));
    }

    // newuidmap(1) grants by the union of a user's lines, and uid_map takes no id twice: user_namespaces(7).
    [Theory]
    [InlineData("joe:100000:65536\n1000:100000:65536\n", "0 1000 1\n1 100000 65536")]
    [InlineData("joe:100000:10\njoe:100005:10\n1000:99990:40\n", "0 1000 1\n1 100000 10\n11 100010 5\n16 99990 10\n26 100015 15")]
    [InlineData("joe:990:20\n", "0 1000 1\n1 990 10\n11 1001 9")]
    [InlineData("joe:1000:1\n", "0 1000 1")]
    [InlineData("joe:2000:3000000000\n1000:1000000:3000000000\n", "0 1000 1\n1 2000 3000000000\n3000000001 3000002000 998000")]
    public void An_id_that_is_granted_twice_is_mapped_once(string lines, string expected) =>
        Assert.Equal(expected, SubIdFile.ToMap(1000, SubIdFile.Parse(lines, "joe", 1000))!.ToString());

    [Fact]
    public void A_map_of_many_grants_is_cut_to_what_the_kernel_takes_in_one_write()
    {
        string lines = string.Concat(Enumerable.Range(0, 339).Select(i => $"joe:{2_000_000_000 + (i * 1000)}:900\n"));
        IdMap map = SubIdFile.ToMap(1000, SubIdFile.Parse(lines, "joe", 1000))!;
        Assert.InRange(map.ToString().Length, 4000, 4095);
        Assert.Throws<ArgumentException>(() =>
            new IdMap(Enumerable.Range(0, 300)
            .Select(i => new IdMapRange((uint)(2_000_000_000 + (i * 2)), (uint)(2_000_000_000 + (i * 2)), 1))));
    }

    [Fact]
    public void Many_layers_have_names_of_one_byte_or_two_and_each_its_own_value_where_they_are_too_many()
    {
        (string Key, string? Value)[] most = [.. OverlaySteps.LowerNames(115, new KernelVersion(5, 12))],
            more = [.. OverlaySteps.LowerNames(500, new KernelVersion(6, 7))];
        string joined = Assert.Single(most).Value!;
        Assert.InRange(joined.Length, 253, 255);
        Assert.Equal((115, 500), (joined.Split(':').Distinct().Count(), more.Select(m => m.Value).Distinct().Count()));
        Assert.All(more, m => Assert.Equal("lowerdir+", m.Key));
        Assert.DoesNotContain(more, m => m.Value!.AsSpan().ContainsAny("/:\\,."));
        Assert.Throws<KernelFeatureException>(() => OverlaySteps.LowerNames(116, new KernelVersion(6, 6)));
    }

    [Theory]
    [InlineData(0, 86_400, "monotonic 0 0\nboottime 86400 0\n")]
    [InlineData(1.5, -1.5, "monotonic 1 500000000\nboottime -2 500000000\n")]
    public void Time_offsets_have_the_kernels_form(double monotonic, double boottime, string expected) =>
        Assert.Equal(expected, new TimeOffsets(TimeSpan.FromSeconds(monotonic), TimeSpan.FromSeconds(boottime)).ToString());

    [Fact]
    public void Kinds_have_the_names_of_proc()
    {
        Assert.Equal(["time", "mnt", "cgroup", "uts", "ipc", "user", "pid", "net"], NamespaceKinds.All.Each().Select(k => k.FileName()));
        Assert.Throws<ArgumentException>(() => NamespaceKinds.All.FileName());
        Assert.Equal("CLONE_NEWNS|CLONE_NEWNET", (NamespaceKinds.Mount | NamespaceKinds.Net).CloneNames());
    }
}
