using System.Diagnostics;
using System.Globalization;
using System.Text;
using Isolation.Benchmarks;
using Isolation.Benchmarks.Net;
using Isolation.Linux;
using Isolation.Net;
using Isolation.Net.Netlink;
using Isolation.Net.Nftables;
using Isolation.Net.Routing;

// Network configuration beside the host's tools, in one run, in a random order each round.
const string Text = """
    usage: Isolation.Benchmarks.Net [ROUNDS] [PAIRS] | path | containers [COUNT]
    ROUNDS: of each comparison, 7. PAIRS: of veth links made at once, 1000. path: only what passes through a bridge.
    containers: starts COUNT (400) containers on one network, and compares the last starts with the first.
    Needs root, gcc, iproute2, nftables and iperf3; measures pyroute2 where it is installed.
    """;
if (Usage.Ends(args, Text, a => args[0] == a && a is "path" or "containers" or ContainersBenchmark.Here, numbers: 2, needsRoot: true, "gcc",
    "ip", "nft", "iperf3"))
    return;
if (args is ["containers", ..])
{
    Environment.ExitCode = await ContainersBenchmark.StartAsync(Usage.Number(args, 0, otherwise: 400));
    return;
}

if (args is [ContainersBenchmark.Here, ..])
{
    await ContainersBenchmark.RunAsync(Usage.Number(args, 0, otherwise: 400));
    return;
}

if (args is ["path"])
{
    using var only = new Scene();
    await PathBenchmark.RunAsync(only);
    return;
}

int rounds = Usage.Number(args, 0, otherwise: 7);
using var scene = new Scene();
await PairsAsync(Usage.Number(args, 1, otherwise: 1000), oneByOne: false);
// The kernel waits for its grace periods with each link that is moved or removed alone, 30 ms a pair: fewer are enough.
await PairsAsync(50, oneByOne: true);
await DumpAsync();
await ElementsAsync();
await PathBenchmark.RunAsync(scene);
return;

async Task PairsAsync(int count, bool oneByOne)
{
    const uint Group = 7;
    var contenders = new Dictionary<string, Func<Task<double>>>
    { ["C floor, the same sends"] = FloorAsync, ["this library"] = OursAsync, ["ip -batch, its start included"] = IpAsync };
    if (scene.HasPyroute2)
    {
        contenders["pyroute2, its start left out"] = async () => (await PyrouteAsync()).Inside;
        contenders["pyroute2, its start included"] = async () => (await PyrouteAsync()).Whole;
    }

    int requestCount = oneByOne ? 4 * count : (2 * count) + 1;
    await scene.CompareAsync(oneByOne
        ? $"{count} veth pairs made, moved, addressed and removed one by one ({requestCount} requests), ms"
        : $"{count} veth pairs made into another namespace, addressed, and removed as a group ({requestCount} requests), ms",
        contenders, rounds);
    Console.WriteLine($"  allocated by this library on the hot path: {s_allocated} bytes in {requestCount} requests\n");

    async Task<double> OursAsync()
    {
        await Task.Yield();
        using LinuxHandle near = NetworkNamespace.Create(), far = NetworkNamespace.Create();
        using RouteSocket route = RouteSocket.Open(near);
        (RouteVerb Verb, RouteObject[] Objects)[] steps = Requests(far);
        RouteBatch batch = route.CreateBatch();
        // The memory of the batch is grown, and the code compiled, before it is measured.
        foreach ((RouteVerb verb, RouteObject[] objects) in steps)
        {
            foreach (RouteObject subject in objects)
                subject.Write(s_scratch, verb);
        }

        s_scratch.Clear();
        batch.Reserve(count, 1 << 20);
        route.ReadLinks();
        long before = GC.GetAllocatedBytesForCurrentThread(), start = Stopwatch.GetTimestamp();
        foreach ((RouteVerb verb, RouteObject[] objects) in steps)
        {
            foreach (RouteObject subject in objects)
            {
                if (verb == RouteVerb.Add)
                    batch.Add(subject);
                else if (verb == RouteVerb.Change)
                    batch.Change(subject);
                else
                    batch.Delete(subject);
            }

            batch.SendAll();
        }

        double elapsed = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        s_allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        return elapsed;
    }

    async Task<double> FloorAsync()
    {
        using LinuxHandle near = NetworkNamespace.Create(), far = NetworkNamespace.Create();
        string file = scene.File("requests");
        Record(file, far);
        return double.Parse(await scene.RunAsync(near, scene.Floor, "replay", file, "500", Scene.PathOf(far)),
            CultureInfo.InvariantCulture) / 1000;
    }

    async Task<double> IpAsync()
    {
        using LinuxHandle near = NetworkNamespace.Create(), far = NetworkNamespace.Create();
        using Process holder = scene.Hold(far);
        var text = new StringBuilder();
        for (int i = 0; i < count; i++)
        {
            string group = oneByOne ? "" : FormattableString.Invariant($"group {Group} "),
                to = oneByOne ? "" : FormattableString.Invariant($" netns {holder.Id}");
            text.Append(CultureInfo.InvariantCulture,
                $"link add name v{i} index {1000 + (2 * i)} {group}type veth peer name w{i} index {1001 + (2 * i)}{to}\n");
        }

        for (int i = 0; oneByOne && i < count; i++)
            text.Append(CultureInfo.InvariantCulture, $"link set w{i} netns {holder.Id}\n");
        for (int i = 0; i < count; i++)
            text.Append(CultureInfo.InvariantCulture, $"addr add 10.{i >> 8}.{i & 255}.1/24 dev v{i}\n");
        if (!oneByOne)
            text.Append(CultureInfo.InvariantCulture, $"link del group {Group}\n");
        for (int i = 0; oneByOne && i < count; i++)
            text.Append(CultureInfo.InvariantCulture, $"link del v{i}\n");
        string file = scene.File("batch");
        await File.WriteAllTextAsync(file, text.ToString());
        long start = Stopwatch.GetTimestamp();
        await scene.RunAsync(near, "ip", "-batch", file);
        double elapsed = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        Scene.End(holder);
        return elapsed;
    }

    async Task<(double Inside, double Whole)> PyrouteAsync()
    {
        using LinuxHandle near = NetworkNamespace.Create(), far = NetworkNamespace.Create();
        using Process holder = scene.Hold(far);
        long start = Stopwatch.GetTimestamp();
        string result = await scene.RunAsync(near, "/usr/bin/python3", scene.Pyroute2, oneByOne ? "pairs" : "group",
            count.ToString(CultureInfo.InvariantCulture), holder.Id.ToString(CultureInfo.InvariantCulture));
        double elapsed = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        Scene.End(holder);
        return (double.Parse(result, CultureInfo.InvariantCulture) / 1000, elapsed);
    }

    (RouteVerb Verb, RouteObject[] Objects)[] Requests(LinuxHandle far)
    {
        IEnumerable<int> all = Enumerable.Range(0, count);
        (RouteVerb, RouteObject[]) address = (RouteVerb.Add,
            [.. all.Select(i => Address.Parse(1000 + (2 * i), $"10.{i >> 8}.{i & 255}.1/24"))]);
        return oneByOne
            ?
            [
                (RouteVerb.Add,
                    [.. all.Select(i => new VethLink
                    {
                        Name = $"v{i}",
                        Index = 1000 + (2 * i),
                        Peer = new Link { Name = $"w{i}", Index = 1001 + (2 * i) }
                    })]),
                (RouteVerb.Change, [.. all.Select(i => new Link { Index = 1001 + (2 * i), NetworkNamespace = far })]),
                address,
                (RouteVerb.Delete, [.. all.Select(i => new Link { Index = 1000 + (2 * i) })]),
            ]
            :
            [
                (RouteVerb.Add,
                    [.. all.Select(i => new VethLink
                    {
                        Name = $"v{i}",
                        Index = 1000 + (2 * i),
                        Group = Group,
                        Peer = new Link { Name = $"w{i}", Index = 1001 + (2 * i), NetworkNamespace = far }
                    })]),
                address,
                (RouteVerb.Delete, [new LinkGroup(Group)]),
            ];
    }

    // The very bytes that this library sends, in the same chunks.
    void Record(string path, LinuxHandle far)
    {
        using var file = new BinaryWriter(File.Create(path));
        using LinuxHandle fixedNumber = Scene.Duplicate(far, 500);
        foreach ((RouteVerb verb, RouteObject[] objects) in Requests(fixedNumber))
        {
            var writer = new NetlinkWriter();
            foreach (RouteObject subject in objects)
                subject.Write(writer, verb);
            foreach ((byte[] chunk, int messages) in NetlinkSocket.Chunks(writer.Raw))
            {
                file.Write(chunk.Length);
                file.Write(messages);
                file.Write(chunk);
            }
        }
    }
}

async Task DumpAsync()
{
    using LinuxHandle near = NetworkNamespace.Create();
    using RouteSocket route = RouteSocket.Open(near);
    RouteBatch batch = route.CreateBatch();
    for (int i = 0; i < 500; i++)
        batch.Add(new VethLink { Name = $"v{i}", Peer = new Link { Name = $"w{i}" } });
    batch.SendAll();
    var contenders = new Dictionary<string, Func<Task<double>>>
    {
        ["C floor, received and not read"] = async () =>
            double.Parse(await scene.RunAsync(near, scene.Floor, "dump", "5"), CultureInfo.InvariantCulture) / 1000,
        ["this library"] = () => Task.FromResult(scene.Time(() => route.ReadLinks(), 5)),
        ["ip -json link, its start included"] = async () =>
            await scene.TimeAsync(() => scene.RunAsync(near, "ip", "-json", "link", "show")),
    };
    if (scene.HasPyroute2)
        contenders["pyroute2"] = async () =>
            double.Parse(await scene.RunAsync(near, "/usr/bin/python3", scene.Pyroute2, "dump"), CultureInfo.InvariantCulture) / 1000;
    await scene.CompareAsync("a list of 1,001 links, ms", contenders, rounds);
    Console.WriteLine();
}

async Task ElementsAsync()
{
    var addresses = Enumerable.Range(0, 10_000).Select(i => $"10.{1 + (i >> 14)}.{(i >> 8) & 63}.{i & 255}").ToArray();
    string file = scene.File("elements");
    await File.WriteAllTextAsync(file,
        "table inet t {\n set s { type ipv4_addr; elements = { " + string.Join(", ", addresses) + " } }\n}\n");
    await scene.CompareAsync("10,000 elements of a set in one transaction, ms", new Dictionary<string, Func<Task<double>>>
    {
        ["this library"] = () =>
        {
            using LinuxHandle near = NetworkNamespace.Create();
            using NftSocket nft = NftSocket.Open(near);
            return Task.FromResult(scene.Time(() =>
            {
                var table = new NftTable(NftFamily.Inet, "t");
                var set = new NftSet(table, "s", NftType.IPv4Address);
                nft.Execute(new NftBatch().Add(table).Add(set).Add(set.Elements(addresses.Select(a => (NftValue)a))));
            }, 1));
        },
        ["nft -f, its start included"] = async () =>
        {
            using LinuxHandle near = NetworkNamespace.Create();
            return await scene.TimeAsync(() => scene.RunAsync(near, "nft", "-f", file));
        },
    }, rounds);
    Console.WriteLine();
}

internal sealed partial class Program
{
    private static readonly NetlinkWriter s_scratch = new();
    private static long s_allocated;
}
