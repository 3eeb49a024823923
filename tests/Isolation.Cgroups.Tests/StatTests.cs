
namespace Isolation.Cgroups.Tests;

/// <summary>Texts that kernels write, as values.</summary>
public class StatTests
{
    [Fact]
    public void Flat_keyed_files_keep_unknown_keys_and_are_read_again_without_allocation()
    {
        var values = new KeyedValues();
        byte[] text = "usage_usec 1500000\nnr_periods 3\nfuture_key max\n"u8.ToArray();
        values.Parse(text);
        Assert.Equal((1_500_000L, 3L, long.MaxValue, null),
            (values.Get("usage_usec"), values.Get("nr_periods"), values.Get("future_key"), values["absent"]));
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
            values.Parse(text);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        values.Parse("other 1\n"u8);
        Assert.Equal(["other"], values.Keys);
    }

    [Fact]
    public void Io_by_device()
    {
        var io = new IoStats();
        io.Devices.Parse("254:0 rbytes=100 wbytes=20 rios=3 wios=4 dbytes=0 dios=0 cost.usage=7\n8:0 \n"u8
            + "8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n"u8);
        Assert.Equal((101, 22, 6, 8), (io.ReadBytes, io.WriteBytes, io.ReadOperations, io.WriteOperations));
        Assert.Equal(7, io.Devices["254:0"]!["cost.usage"]);
        Assert.Equal(["254:0", "8:0", "8:16"], io.Devices.Names);
        var v1 = new IoStats { IsV1 = true };
        v1.Devices.ParseTriples("8:0 Read 100\n8:0 Write 50\n8:16 Read 1\n8:16 Write 2\nTotal 153\n"u8);
        Assert.Equal((101, 52), (v1.ReadBytes, v1.WriteBytes));
    }

    [Fact]
    public void Pressure_lines()
    {
        Pressure pressure = Pressure.Parse(
            "some avg10=1.53 avg60=0.50 avg300=0.10 total=2000000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=5\n"u8);
        Assert.Equal(new PressureLine(1.53, 0.5, 0.1, TimeSpan.FromSeconds(2)), pressure.Some);
        Assert.Equal(TimeSpan.FromMicroseconds(5), pressure.Full.Total);
        Assert.Throws<FormatException>(() => Pressure.Parse("some avg10=x\n"u8));
    }

    [Fact]
    public void A_device_program_prints_and_is_short()
    {
        DeviceProgram program = DeviceProgram.Compile(DeviceRule.DockerDefault.AsEnumerable());
        Golden.AssertEqual("devices-docker.txt", program.ToString());
        Assert.Equal(program.Length * 8, program.ToBytes().Length);
        Assert.True(program.Allows(DeviceKind.Character, 1, 3, DeviceAccess.Read | DeviceAccess.Write));
        Assert.False(program.Allows(DeviceKind.Character, 1, 11, DeviceAccess.Read));
        Assert.True(program.Allows(DeviceKind.Block, 8, 0, DeviceAccess.Mknod));
        Assert.False(program.Allows(DeviceKind.Block, 8, 0, DeviceAccess.Mknod | DeviceAccess.Read));
    }

    [Theory]
    [InlineData("c 1:3 rwm", "allow c 1:3 rwm")]
    [InlineData("a *:* m", "allow a *:* m")]
    [InlineData("b 8:* wr", "allow b 8:* rw")]
    public void Device_rules_are_read_as_docker_writes_them(string text, string printed) =>
        Assert.Equal(printed, DeviceRule.Parse(text).ToString());

    [Theory]
    [InlineData("c 1 rwm")]
    [InlineData("x 1:3 r")]
    [InlineData("c 1:3 q")]
    [InlineData("c 1:3 ")]
    [InlineData("c -1:3 r")]
    public void What_is_no_device_rule_is_refused(string text) => Assert.Throws<FormatException>(() => DeviceRule.Parse(text));

    [Fact]
    public void Events_compare_counters()
    {
        Assert.Equal(3, EventFile.Value("low 0\noom_kill 3\n", "oom_kill"));
        Assert.Equal(0, EventFile.Value("oom_killer 3\n", "oom_kill"));
        Assert.True(EventFile.Flag("populated 1\nfrozen 0\n", "populated"));
    }
}
