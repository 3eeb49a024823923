using System.Net;
using Isolation.Linux;
using Isolation.Net.Routing;

namespace Isolation.Net.Testbed;

/// <summary>A host of a testbed: a network namespace, with its links.</summary>
public sealed class TestbedHost : IDisposable
{
    internal TestbedHost(string name)
    {
        Name = name;
        Namespace = NetworkNamespace.Create();
        try
        {
            NetworkNamespace.Run(Namespace, Loopback.SetUp);
            Route = RouteSocket.Open(Namespace);
        }
        catch
        {
            Namespace.Dispose();
            throw;
        }
    }

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>Its network namespace, for sockets and monitors of this library, and for a container's.</summary>
    public LinuxHandle Namespace { get; }

    /// <summary>Its links, addresses, routes and traffic control.</summary>
    public RouteSocket Route { get; }

    /// <summary>Its first address; null before it is connected.</summary>
    public IPAddress? Address { get; internal set; }

    /// <summary>Runs a function in it: sockets that are made there stay there, and so do processes that are started there.</summary>
    public T Run<T>(Func<T> function) => NetworkNamespace.Run(Namespace, function);

    /// <summary>Runs an action in it.</summary>
    public void Run(Action action) => NetworkNamespace.Run(Namespace, action);

    /// <summary>Lets it pass packets on, as a router does.</summary>
    public void EnableForwarding()
    {
        var sysctls = new NetworkSysctls(Namespace);
        sysctls.Write("net.ipv4.ip_forward", "1");
        sysctls.Write("net.ipv6.conf.all.forwarding", "1");
    }

    /// <summary>Sends packets for a network to a router.</summary>
    /// <param name="destination">The network; <see cref="Isolation.Net.Routing.Route.DefaultIPv4"/> for all.</param>
    /// <param name="router">The router's address on a link of this host.</param>
    public void AddRoute(IPNetwork destination, IPAddress router) => Route.Add(new Route(destination) { Gateway = router });

    /// <summary>Ends it, unless processes are still in it.</summary>
    public void Dispose()
    {
        Route.Dispose();
        Namespace.Dispose();
    }
}
