using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

/// <summary>Something that rtnetlink(7) keeps: a link, an address, a route, a rule, a neighbour, a nexthop,
/// a queueing discipline, a class, a filter.</summary>
/// <remarks>An immutable value: what is wanted, and what was read.
/// In a request null leaves a property as it is, or to the kernel.</remarks>
public abstract record RouteObject
{
    private protected RouteObject()
    {
    }

    /// <summary>The message that makes one; the next number deletes it.</summary>
    internal abstract ushort NewType { get; }

    /// <summary>The word for it in errors: <c>link</c>.</summary>
    internal abstract string Noun { get; }

    /// <summary>Which one, in errors: <c>"veth0"</c>.</summary>
    internal abstract string Subject { get; }

    /// <summary>Writes the message to make or change it.</summary>
    internal abstract void WriteNew(NetlinkWriter writer, ushort flags);

    /// <summary>Writes the message to delete it.</summary>
    internal abstract void WriteDelete(NetlinkWriter writer);
}

/// <summary>What is done to an object.</summary>
internal enum RouteVerb
{
    Add,
    Replace,
    Append,
    Change,
    Delete,
}

internal static class RouteVerbs
{
    internal static void Write(this RouteObject subject, NetlinkWriter writer, RouteVerb verb)
    {
        ArgumentNullException.ThrowIfNull(subject);
        try
        {
            switch (verb)
            {
                case RouteVerb.Add:
                    subject.WriteNew(writer, NetlinkAbi.NLM_F_CREATE | NetlinkAbi.NLM_F_EXCL);
                    break;
                case RouteVerb.Replace:
                    subject.WriteNew(writer, NetlinkAbi.NLM_F_CREATE | NetlinkAbi.NLM_F_REPLACE);
                    break;
                case RouteVerb.Append:
                    subject.WriteNew(writer, NetlinkAbi.NLM_F_CREATE | NetlinkAbi.NLM_F_APPEND);
                    break;
                case RouteVerb.Change:
                    subject.WriteNew(writer, 0);
                    break;
                default:
                    subject.WriteDelete(writer);
                    break;
            }
        }
        catch
        {
            writer.Abandon();
            throw;
        }
    }

    // Constant texts: nothing is made for a request that succeeds.
    internal static string Phrase(this RouteVerb verb, string noun) => verb switch
    {
        RouteVerb.Add => "add ",
        RouteVerb.Replace => "replace ",
        RouteVerb.Append => "append ",
        RouteVerb.Change => "change ",
        _ => "delete ",
    } + noun;
}
