using System.Collections.Immutable;
using Isolation.Linux;
using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

/// <summary>Requests that are sent together, many in one call. Each succeeds or fails by itself.
/// Once grown, it allocates nothing.</summary>
/// <example><code>
/// RouteBatch batch = route.CreateBatch();
/// foreach (int i in Enumerable.Range(0, 1000))
///     batch.Add(new DummyLink { Name = $"dummy{i}" });
/// foreach (RouteBatchFailure failure in batch.Send())
///     Console.WriteLine(failure);
/// </code></example>
public sealed class RouteBatch
{
    private readonly NetlinkSocket _socket;
    private readonly NetlinkWriter _writer = new();
    private readonly List<(RouteObject Subject, RouteVerb Verb)> _requests = [];
    private readonly Action<int, Errno, ExtendedAck> _failed;
    private ImmutableArray<RouteBatchFailure>.Builder? _failures;

    internal RouteBatch(NetlinkSocket socket)
    {
        _socket = socket;
        _failed = OnFailed;
    }

    /// <summary>How many requests are waiting to be sent.</summary>
    public int Count => _requests.Count;

    /// <summary>Puts a request to add an object into the batch.</summary>
    public RouteBatch Add(RouteObject added) => Put(added, RouteVerb.Add);

    /// <summary>Puts a request to add or replace an object into the batch.</summary>
    public RouteBatch Replace(RouteObject replaced) => Put(replaced, RouteVerb.Replace);

    /// <summary>Puts a request to change an object into the batch.</summary>
    public RouteBatch Change(RouteObject changed) => Put(changed, RouteVerb.Change);

    /// <summary>Puts a request to delete an object into the batch.</summary>
    public RouteBatch Delete(RouteObject deleted) => Put(deleted, RouteVerb.Delete);

    /// <summary>Sends all requests, waits for every answer, and empties the batch.</summary>
    /// <returns>Those that failed, in order.</returns>
    /// <exception cref="NetlinkException">The socket failed; it is not known which requests took effect.</exception>
    public ImmutableArray<RouteBatchFailure> Send()
    {
        try
        {
            _socket.ExecuteAll(_writer, _failed);
            return _failures?.ToImmutable() ?? [];
        }
        finally
        {
            _failures = null;
            _writer.Clear();
            _requests.Clear();
        }
    }

    /// <summary>Sends all requests; the first that failed is thrown, after all were tried.</summary>
    /// <exception cref="NetlinkException">A request failed.</exception>
    public void SendAll()
    {
        if (Send() is [{ } first, ..])
            throw first.Error;
    }

    /// <summary>Makes room for so many requests and bytes, so that none is made while they are added.</summary>
    public void Reserve(int requests, int bytes)
    {
        _requests.EnsureCapacity(requests);
        _writer.EnsureCapacity(bytes);
    }

    private RouteBatch Put(RouteObject subject, RouteVerb verb)
    {
        subject.Write(_writer, verb);
        _requests.Add((subject, verb));
        return this;
    }

    private void OnFailed(int index, Errno errno, ExtendedAck ack)
    {
        (RouteObject subject, RouteVerb verb) = _requests[index];
        ushort type = (ushort)(subject.NewType + (verb == RouteVerb.Delete ? 1 : 0));
        var error = new NetlinkException(verb.Phrase(subject.Noun), subject.Subject, MessageNames.Of(NetlinkProtocol.Route, type), errno,
            ack, NetlinkHints.Of(NetlinkProtocol.Route, type, errno, ack));
        (_failures ??= ImmutableArray.CreateBuilder<RouteBatchFailure>()).Add(new RouteBatchFailure(index, error));
    }
}
