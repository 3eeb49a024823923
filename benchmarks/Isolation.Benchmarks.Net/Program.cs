using System.Diagnostics;
using System.Globalization;
using System.Text;
using Isolation.Benchmarks.Net;
using Isolation.Linux;
using Isolation.Net;

// Network configuration beside the host's tools, in one run, in a random order each round.
// usage: Isolation.Benchmarks.Net [ROUNDS] [PAIRS]; needs root, iproute2, nftables, gcc, iperf3; python3-pyroute2 where it is there.
int rounds = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 7;
using var scene = new Scene();
// Moving and removing wait for the kernel's grace periods, 30 ms a pair: fewer are enough.
await PairsAsync(args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 1000, whole: false);
await PairsAsync(50, whole: true);
await DumpAsync();
await ElementsAsync();
await PathBenchmark.RunAsync(scene);
return;

async Task PairsAsync(int count, bool whole)
{
    var contenders = new Dictionary<string, Func<Task<double>>> { ["C floor, the same sends"] = FloorAsync, ["this library"] = OursAsync, ["ip -batch, its start included"] = IpAsync };
    if (scene.HasPyroute2)
    {
        contenders["pyroute2, its start left out"] = async () => (await PyrouteAsync()).Inside;
        contenders["pyroute2, its start included"] = async () => (await PyrouteAsync()).Whole;
    }

    await scene.CompareAsync(whole ? $"{count} veth pairs made, moved, addressed and removed ({4 * count} requests), ms" : $"{count} veth pairs made, ms", contenders, rounds);
    Console.WriteLine($"  allocated by this library on the hot path: {s_allocated} bytes in {(whole ? 4 : 1) * count} requests\n");

    async Task<double> OursAsync()
    {
        await Task.Yield();
        using LinuxHandle near = NetworkNamespace.Create(), far = NetworkNamespace.Create();
        using RouteSocket route = RouteSocket.Open(near);
        (RouteObject[] add, RouteObject[] move, RouteObject[] address, RouteObject[] delete) = Requests(far);
        RouteBatch batch = s_batch = route.CreateBatch();
        Warm(route, add, move, address, delete);
        long before = GC.GetAllocatedBytesForCurrentThread(), start = Stopwatch.GetTimestamp();
        foreach (RouteObject request in add)
            batch.Add(request);
        batch.SendAll();
        if (!whole)
            return Elapsed();
        foreach (RouteObject request in move)
            batch.Change(request);
        batch.SendAll();
        foreach (RouteObject request in address)
            batch.Add(request);
        batch.SendAll();
        foreach (RouteObject request in delete)
            batch.Delete(request);
        batch.SendAll();
        return Elapsed();

        double Elapsed()
        {
            double elapsed = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            s_allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            return elapsed;
        }
    }

    // The memory of the batch is grown, and the code compiled, before it is measured.
    static void Warm(RouteSocket route, params RouteObject[][] all)
    {
        RouteBatch batch = s_batch!;
        foreach (RouteObject request in all.SelectMany(a => a))
            request.Write(s_scratch, RouteVerb.Add);
        s_scratch.Clear();
        batch.Reserve(all.Max(a => a.Length), 1 << 20);
        route.ReadLinks();
    }

    async Task<double> FloorAsync()
    {
        using LinuxHandle near = NetworkNamespace.Create(), far = NetworkNamespace.Create();
        string file = scene.File("requests");
        Record(file, far);
        return double.Parse(await scene.RunAsync(near, scene.Floor, "replay", file, "500", Scene.PathOf(far)), CultureInfo.InvariantCulture) / 1000;
    }

    async Task<double> IpAsync()
    {
        using LinuxHandle near = NetworkNamespace.Create(), far = NetworkNamespace.Create();
        using Process holder = scene.Hold(far);
        var text = new StringBuilder();
        for (int i = 0; i < count; i++)
            text.Append(CultureInfo.InvariantCulture, $"link add name v{i} index {1000 + (2 * i)} type veth peer name w{i} index {1001 + (2 * i)}\n");
        for (int i = 0; whole && i < count; i++)
            text.Append(CultureInfo.InvariantCulture, $"link set w{i} netns {holder.Id}\n");
        for (int i = 0; whole && i < count; i++)
            text.Append(CultureInfo.InvariantCulture, $"addr add 10.{i >> 8}.{i & 255}.1/24 dev v{i}\n");
        for (int i = 0; whole && i < count; i++)
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
        string result = await scene.RunAsync(near, "/usr/bin/python3", scene.Pyroute2, whole ? "pairs" : "make", count.ToString(CultureInfo.InvariantCulture), holder.Id.ToString(CultureInfo.InvariantCulture));
        double elapsed = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        Scene.End(holder);
        return (double.Parse(result, CultureInfo.InvariantCulture) / 1000, elapsed);
    }

    (RouteObject[] Add, RouteObject[] Move, RouteObject[] Address, RouteObject[] Delete) Requests(LinuxHandle far) =>
    (
        [.. Enumerable.Range(0, count).Select(i => new VethLink { Name = $"v{i}", Index = 1000 + (2 * i), Peer = new Link { Name = $"w{i}", Index = 1001 + (2 * i) } })],
        [.. Enumerable.Range(0, count).Select(i => new Link { Index = 1001 + (2 * i), NetworkNamespace = far })],
        [.. Enumerable.Range(0, count).Select(i => Address.Parse(1000 + (2 * i), $"10.{i >> 8}.{i & 255}.1/24"))],
        [.. Enumerable.Range(0, count).Select(i => new Link { Index = 1000 + (2 * i) })]
    );

    // The very bytes that this library sends, in the same chunks.
    void Record(string path, LinuxHandle far)
    {
        using var file = new BinaryWriter(File.Create(path));
        using LinuxHandle fixedNumber = Scene.Duplicate(far, 500);
        (RouteObject[] add, RouteObject[] move, RouteObject[] address, RouteObject[] delete) = Requests(fixedNumber);
        foreach ((RouteObject[] requests, RouteVerb verb) in whole ? new[] { (add, RouteVerb.Add), (move, RouteVerb.Change), (address, RouteVerb.Add), (delete, RouteVerb.Delete) } : [(add, RouteVerb.Add)])
        {
            var writer = new NetlinkWriter();
            foreach (RouteObject request in requests)
                request.Write(writer, verb);
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
        ["C floor, received and not read"] = async () => double.Parse(await scene.RunAsync(near, scene.Floor, "dump", "5"), CultureInfo.InvariantCulture) / 1000,
        ["this library"] = () => Task.FromResult(scene.Time(() => route.ReadLinks(), 5)),
        ["ip -json link, its start included"] = async () => await scene.TimeAsync(() => scene.RunAsync(near, "ip", "-json", "link", "show")),
    };
    if (scene.HasPyroute2)
        contenders["pyroute2"] = async () => double.Parse(await scene.RunAsync(near, "/usr/bin/python3", scene.Pyroute2, "dump"), CultureInfo.InvariantCulture) / 1000;
    await scene.CompareAsync("a list of 1,001 links, ms", contenders, rounds);
    Console.WriteLine();
}

async Task ElementsAsync()
{
    var addresses = Enumerable.Range(0, 10_000).Select(i => $"10.{1 + (i >> 14)}.{(i >> 8) & 63}.{i & 255}").ToArray();
    string file = scene.File("elements");
    await File.WriteAllTextAsync(file, "table inet t {\n set s { type ipv4_addr; elements = { " + string.Join(", ", addresses) + " } }\n}\n");
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
    private static RouteBatch? s_batch;
    private static long s_allocated;
}
