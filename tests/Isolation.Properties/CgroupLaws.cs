using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Isolation.Cgroups;
using Isolation.Linux;

namespace Isolation.Properties;

/// <summary>Laws of control groups: every parser takes any bytes, a compiled program means what its
/// rules say, settings read back.</summary>
public class CgroupLaws
{
    private static void Hold(Property property) => property.QuickCheckThrowOnFailure();

    // Plain bytes are refused at once; words that the kernel writes, shuffled, get further in.
    private static readonly string[] s_words = ["some", "full", "avg10=0.12", "avg60=1.00", "total=123", "max", "18446744073709551615",
        "-1", "8:0", "rbytes=1", "N0=5", "oom_kill", "2", " ", "\n", "=", "\0", "anon", "Read", "Total", "hca_handle=max"];

    private static readonly Arbitrary<byte[]> s_texts = Gen.OneOf(
        ArbMap.Default.GeneratorFor<byte[]>(),
        Gen.ArrayOf(Gen.Elements(s_words)).Select(w => Encoding.UTF8.GetBytes(string.Join(' ', w))),
        Gen.ArrayOf(Gen.Elements(s_words)).Select(w => Encoding.UTF8.GetBytes(string.Concat(w)))).ToArbitrary();

    [Fact]
    public void Any_bytes_are_statistics_or_a_format_exception()
    {
        // The same objects again and again, as a reader has them: what is left of one text must not harm the next.
        var flat = new KeyedValues();
        var nested = new NestedValues();
        Hold(Prop.ForAll(s_texts, text =>
            IsValueOr(() => flat.Parse(text)) && IsValueOr(() => nested.Parse(text)) && IsValueOr(() => nested.ParseTriples(text))
            && IsValueOr(() => Pressure.Parse(text)) && IsValueOr(() => CgroupV2.Number(text)) && flat.Keys.Count() == flat.Count
            && nested.Names.Count() == nested.Count));
    }

    [Fact]
    public void Any_text_is_a_value_or_a_format_exception() => Hold(Prop.ForAll(s_texts, bytes =>
    {
        string text = Encoding.UTF8.GetString(bytes);
        return IsValueOr(() => CgroupHierarchies.Parse("", text)) && IsValueOr(() => CgroupHierarchies.Parse(text, "0::/\n"))
            && IsValueOr(() => ByteSize.Parse(text)) && IsValueOr(() => CgroupLimit.Parse(text))
            && IsValueOr(() => DeviceNumber.Parse(text)) && IsValueOr(() => DeviceRule.Parse(text)) && IsValueOr(() => IoMax.Parse(text))
            && IsValueOr(() => CpuList.Parse(text));
    }));

    [Fact]
    public void Flat_files_read_back() => Hold(Prop.ForAll<NonEmptyArray<long>>(values =>
    {
        var flat = new KeyedValues();
        flat.Parse(Encoding.UTF8.GetBytes(string.Concat(values.Get.Select((v, i) => $"key{i} {v}\n"))));
        return flat.Count == values.Get.Length && values.Get.Select((v, i) => flat[$"key{i}"] == v).All(same => same);
    }));

    [Fact]
    public void Lists_of_processors_read_back() => Hold(Prop.ForAll<byte[]>(bytes =>
    {
        int[] numbers = [.. bytes.Select(b => (int)b)];
        return CpuList.Parse(CpuList.Write(numbers)).SequenceEqual(numbers.Distinct().Order());
    }));

    [Fact]
    public void Sizes_read_back() => Hold(
        Prop.ForAll<NonNegativeInt>(n => ByteSize.Parse(new ByteSize((long)n.Get * 4096).ToString()) == new ByteSize((long)n.Get * 4096)));

    [Fact]
    public void A_device_program_decides_as_its_rules_do()
    {
        Gen<uint?> number = Gen.Elements<uint?>(null, 0, 1, 3, 8, 0x7fffffff, 0x80000000, uint.MaxValue);
        Gen<DeviceRule> rule = from allow in Gen.Elements(true, false)
                               from kind in Gen.Elements(DeviceKind.All, DeviceKind.Block, DeviceKind.Character)
                               from major in number
                               from minor in number
                               from access in Gen.Choose(1, 7)
                               select new DeviceRule(allow, kind, major, minor, (DeviceAccess)access);
        Hold(Prop.ForAll(Gen.ArrayOf(rule).ToArbitrary(), rules =>
        {
            DeviceProgram program = DeviceProgram.Compile(rules);
            uint[] numbers = [0, 1, 3, 8, 9, 0x7fffffff, 0x80000000, uint.MaxValue];
            return (from kind in new[] { DeviceKind.Block, DeviceKind.Character }
                    from major in numbers
                    from minor in numbers
                    from access in Enumerable.Range(1, 7)
                    select program.Run(kind, major, minor, (DeviceAccess)access)
                        == program.Allows(kind, major, minor, (DeviceAccess)access))
                .All(same => same);
        }));
    }

    [Fact]
    public void Settings_do_not_depend_on_their_order() => Hold(Prop.ForAll<NonNegativeInt, PositiveInt>((memory, pids) =>
    {
        CgroupSettings one = CgroupSettings.None.WithMemoryMax(new(memory.Get)).WithPidsMax(pids.Get),
            two = CgroupSettings.None.WithPidsMax(pids.Get).WithMemoryMax(new(memory.Get));
        return one.Equals(two) && one.GetHashCode() == two.GetHashCode() && one.ChangesTo(two).Count == 0
            && one.WithPidsMax(pids.Get + 1).ChangesTo(one).Count == 1;
    }));

    [Fact]
    public void Weights_stay_in_range_and_keep_their_order() => Hold(Prop.ForAll<NonNegativeInt, NonNegativeInt>((a, b) =>
    {
        long x = CpuControls.WeightOfShares(a.Get), y = CpuControls.WeightOfShares(b.Get);
        return x is >= 1 and <= 10000 && (a.Get <= b.Get ? x <= y : x >= y) && CpuControls.SharesOfWeight(x) is >= 2 and <= 262_144;
    }));

    private static bool IsValueOr(Action parse)
    {
        try
        {
            parse();
            return true;
        }
        catch (FormatException)
        {
            return true;
        }
    }
}
