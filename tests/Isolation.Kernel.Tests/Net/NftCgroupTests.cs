using System.Net;
using System.Net.Sockets;
using Isolation.Cgroups;
using Isolation.Linux;
using Isolation.Net;
using Isolation.Net.Nftables;
using Isolation.Net.Nftables.Expressions;

namespace Isolation.Kernel.Tests.Net;

/// <summary>Packets told apart by the control group of the process that sends them.</summary>
public class NftCgroupTests
{
    [Fact]
    public void Packets_are_matched_by_the_control_group_of_their_socket()
    {
        Host.NeedsRoot();
        Assert.SkipUnless(CgroupHierarchies.Read().V2 is not null, "needs a mount of control groups of version 2");
        string root = CgroupHierarchies.Read().V2!.MountPoint, outer = Path.Combine(root, $"isolation-nft-{Environment.ProcessId}"),
            inner = outer + "/inner", beside = outer + "/beside";
        string other = outer + "-other";
        foreach (string group in new[] { outer, inner, beside, other })
            Directory.CreateDirectory(group);
        try
        {
            using var network = new TestNetwork();
            using NftSocket nft = NftSocket.Open(network.Namespace);
            var table = new NftTable(NftFamily.Inet, "t");
            var chain = new NftChain(table, "c") { Hook = NftHook.Output };
            nft.Execute(new NftBatch().Add(table).Add(chain)
                .Add(new NftRule(chain).MatchCgroup(outer).Counter())
                .Add(new NftRule(chain).MatchCgroup(inner).Counter().Drop())
                .Add(new NftRule(chain).MatchCgroup(outer, NftOperator.NotEqual).Counter()));
            // The last one is in the root, which is in no group of that level: neither equal nor not.
            Assert.Equal([true, false, true, true], new[] { beside, inner, other, root }.Select(g => Arrives(network, g)));
            ulong[] packets = [.. nft.ReadTable(NftFamily.Inet, "t")!.Chains[0].Rules
                .Select(r => r.Expressions.OfType<CounterExpression>().Single().Packets)];
            Assert.Equal([2ul, 1ul, 1ul], packets);
            if (Host.FindTool("nft") is not null)
                AssertAgrees(network, nft, table, inner);
        }
        finally
        {
            foreach (string group in new[] { inner, beside, outer, other })
                Directory.Delete(group);
        }

        var rule = new NftRule(NftFamily.Inet, "t", "c");
        Assert.Contains("is the root of the control groups", Assert.Throws<ArgumentException>(() => rule.MatchCgroup(root)).Message);
        Assert.Equal(Errno.ENOENT, Assert.Throws<LinuxException>(() => rule.MatchCgroup(outer)).Errno);
    }

    // Sends a datagram to the loopback, from a process in a control group.
    private static bool Arrives(TestNetwork network, string group)
    {
        using var receiver = NetworkNamespace.Run(network.Namespace, () => new UdpClient(new IPEndPoint(IPAddress.Loopback, 0)));
        receiver.Client.ReceiveTimeout = 500;
        int port = ((IPEndPoint)receiver.Client.LocalEndPoint!).Port;
        network.TryRun("bash", "-c", $"echo $$ > {group}/cgroup.procs && exec 3<>/dev/udp/127.0.0.1/{port} && echo hi >&3");
        try
        {
            var from = new IPEndPoint(IPAddress.Any, 0);
            return receiver.Receive(ref from).Length == 3;
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.TimedOut)
        {
            return false;
        }
    }

    private static void AssertAgrees(TestNetwork network, NftSocket nft, NftTable table, string group)
    {
        network.Run("nft", "add", "chain", "inet", "t", "theirs");
        network.Run("nft", "add", "rule", "inet", "t", "theirs", $"socket cgroupv2 level 2 \"{group["/sys/fs/cgroup/".Length..]}\" drop");
        NftRule theirs = nft.ReadTable(table.Family, table.Table)!.Chains.Single(c => c.Chain.Name == "theirs").Rules.Single();
        Assert.Equal(new NftRule(table.Family, table.Table, "theirs").MatchCgroup(group).Drop().Expressions, theirs.Expressions);
        Assert.Equal(theirs.Expressions, new NftRule(table.Family, table.Table, "theirs")
            .Match(NftField.SocketCgroup(2), group["/sys/fs/cgroup/".Length..]).Drop().Expressions);
        // It is printed as nft prints it, and nft reads it.
        string text = nft.ReadRuleset().ToString();
        Assert.Contains($"socket cgroupv2 level 2 \"{group["/sys/fs/cgroup/".Length..]}\" drop", text);
        Assert.Equal(network.Run("nft", "list", "ruleset").TrimEnd(), text.TrimEnd());
        using var file = new TemporaryDirectory();
        using var other = new TestNetwork();
        other.Run("nft", "-f", file.Write("rules", text));
        foreach (string none in new[] { "no/such", "/usr" })
            Assert.Contains("there is no such control group of version 2",
                Assert.Throws<FormatException>(() => new NftRule(table.Family, table.Table, "c")
                    .Match(NftField.SocketCgroup(2), none)).Message);
    }
}
