using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Isolation.Linux;
using Isolation.Net;
using Isolation.Net.Nftables;
using Isolation.Net.Routing;

namespace Isolation.Benchmarks.Net;

/// <summary>Throughput and latency between two namespaces behind a bridge: made by this library, and by ip(8) and nft(8).</summary>
internal static class PathBenchmark
{
    private const string Server = "10.9.0.2", Client = "10.9.0.3";

    internal static async Task RunAsync(Scene scene)
    {
        // Both are there all the while, and are measured in turns: what else the machine does befalls both.
        using Path tools = await Path.ByToolsAsync(scene), library = Path.ByLibrary();
        var pause = TimeSpan.FromMilliseconds(200);
        await scene.CompareAsync("TCP between two containers behind a bridge with masquerade: megabits per second",
            new Dictionary<string, Func<Task<double>>>
            {
                ["made by ip and nft"] = () => ThroughputAsync(scene, tools),
                ["made by this library"] = () => ThroughputAsync(scene, library),
            }, 9, pause);
        await scene.CompareAsync("a byte there and back: microseconds", new Dictionary<string, Func<Task<double>>>
        {
            ["made by ip and nft"] = () => Task.FromResult(Latency(tools)),
            ["made by this library"] = () => Task.FromResult(Latency(library)),
        }, 41, pause);
    }

    private static async Task<double> ThroughputAsync(Scene scene, Path path)
    {
        using Process server = Process.Start(new ProcessStartInfo("nsenter", ["--net=" + Scene.PathOf(path.Server), "iperf3", "-s", "-1"])
        {
            RedirectStandardOutput = true
        })!;
        await Task.Delay(300);
        string json = await scene.RunAsync(path.Client, "iperf3", "-c", Server, "-t", "2", "-J");
        server.Kill();
        await server.WaitForExitAsync();
        // It may answer with an error, and the code 0.
        JsonElement said = JsonDocument.Parse(json).RootElement;
        return said.TryGetProperty("error", out _)
            ? throw new InvalidOperationException($"iperf3: {json}")
            : said.GetProperty("end").GetProperty("sum_received").GetProperty("bits_per_second").GetDouble() / 1e6;
    }

    private static double Latency(Path path)
    {
        const int Rounds = 5000;
        using Socket listener = NetworkNamespace.Run(path.Server,
            () => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        listener.Bind(new IPEndPoint(IPAddress.Parse(Server), 80));
        listener.Listen(1);
        using Socket client = NetworkNamespace.Run(path.Client,
            () => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        client.NoDelay = true;
        client.Connect(IPAddress.Parse(Server), 80);
        using Socket server = listener.Accept();
        server.NoDelay = true;
        var echo = new Thread(() =>
        {
            var one = new byte[1];
            while (server.Receive(one) == 1)
                server.Send(one);
        });
        echo.Start();
        var data = new byte[1];
        for (int i = 0; i < 500; i++)
            Turn();
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < Rounds; i++)
            Turn();
        double elapsed = Stopwatch.GetElapsedTime(start).TotalMicroseconds / Rounds;
        client.Shutdown(SocketShutdown.Both);
        echo.Join();
        return elapsed;

        void Turn()
        {
            client.Send(data);
            client.Receive(data);
        }
    }

    /// <summary>A host with a bridge, a masquerade rule, and two namespaces behind.</summary>
    private sealed class Path : IDisposable
    {
        internal LinuxHandle Host { get; } = NetworkNamespace.Create();

        internal LinuxHandle Server { get; } = NetworkNamespace.Create();

        internal LinuxHandle Client { get; } = NetworkNamespace.Create();

        internal static Path ByLibrary()
        {
            var path = new Path();
            using RouteSocket host = RouteSocket.Open(path.Host);
            host.Add(new BridgeLink { Name = "br0", Up = true });
            int bridge = host.GetLink("br0").Index;
            host.Add(Address.Parse(bridge, "10.9.0.1/24"));
            foreach ((LinuxHandle inside, string name, string address) in new[] { (path.Server, "to-a", PathBenchmark.Server),
                (path.Client, "to-b", PathBenchmark.Client) })
            {
                VethPair pair = VethPair.Create(new VethLink
                {
                    Name = name,
                    Master = bridge,
                    Up = true,
                    Peer = new Link { Name = "eth0", Up = true, NetworkNamespace = inside }
                }, path.Host);
                using RouteSocket route = RouteSocket.Open(inside);
                route.Add(Address.Parse(pair.Peer.Index, address + "/24"));
                route.Add(new Route(Route.DefaultIPv4) { Gateway = IPAddress.Parse("10.9.0.1") });
            }

            using NftSocket nft = NftSocket.Open(path.Host);
            var table = new NftTable(NftFamily.Inet, "t");
            var chain = new NftChain(table, "post") { Type = NftChainType.Nat, Hook = NftHook.Postrouting, Priority = 100 };
            nft.Execute(new NftBatch().Add(table).Add(chain).Add(new NftRule(chain).Match(NftField.IPv4Source, "10.9.0.0/24")
                .Match(NftField.OutputInterface, "br0", NftOperator.NotEqual).Masquerade()));
            new NetworkSysctls(path.Host).Write("net.ipv4.ip_forward", "1");
            return path;
        }

        internal static async Task<Path> ByToolsAsync(Scene scene)
        {
            var path = new Path();
            Task Ip(LinuxHandle where, string arguments) => scene.RunAsync(where, "ip", arguments.Split(' '));
            await Ip(path.Host, "link add name br0 type bridge");
            await Ip(path.Host, "link set br0 up");
            await Ip(path.Host, "addr add 10.9.0.1/24 dev br0");
            foreach ((LinuxHandle inside, string name, string address) in new[] { (path.Server, "to-a", PathBenchmark.Server),
                (path.Client, "to-b", PathBenchmark.Client) })
            {
                using Process holder = scene.Hold(inside);
                await Ip(path.Host,
                    string.Create(CultureInfo.InvariantCulture, $"link add name {name} type veth peer name eth0 netns {holder.Id}"));
                await Ip(path.Host, $"link set {name} master br0 up");
                await Ip(inside, "link set eth0 up");
                await Ip(inside, $"addr add {address}/24 dev eth0");
                await Ip(inside, "route add default via 10.9.0.1");
                Scene.End(holder);
            }

            string file = scene.File("rules");
            await File.WriteAllTextAsync(file, "table inet t {\n chain post {\n type nat hook postrouting priority srcnat;\n"
                + " ip saddr 10.9.0.0/24 oifname != \"br0\" masquerade\n }\n}\n");
            await scene.RunAsync(path.Host, "nft", "-f", file);
            await scene.RunAsync(path.Host, "sysctl", "-qw", "net.ipv4.ip_forward=1");
            return path;
        }

        public void Dispose()
        {
            Host.Dispose();
            Server.Dispose();
            Client.Dispose();
        }
    }
}
