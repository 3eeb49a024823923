using System.Buffers.Binary;
using Isolation.Linux;
using Isolation.Linux.Abi;

namespace Isolation.Net.Netlink;

public sealed partial class NetlinkSocket
{
    /// <summary>Beyond this many requests at once their acknowledgements might not fit the socket's queue.</summary>
    private const int MaxRequestsPerSend = 128, MaxBytesPerSend = 60_000;

    /// <summary>Sends all messages of a writer, many at once, and waits for every acknowledgement.
    /// Each succeeds or fails by itself.</summary>
    /// <param name="requests">The messages.</param>
    /// <param name="failed">Gets the index of a message that failed, its error, and the bytes of the acknowledgement;
    /// called in order.</param>
    internal void ExecuteAll(NetlinkWriter requests, Action<int, Errno, ExtendedAck> failed)
    {
        Span<byte> all = requests.Raw;
        int index = 0;
        while (!all.IsEmpty)
        {
            (int length, int count) = NextChunk(all);
            ExecuteChunk(all[..length], count, index, failed);
            all = all[length..];
            index += count;
        }
    }

    /// <summary>As many messages as are sent at once.</summary>
    private static (int Length, int Count) NextChunk(ReadOnlySpan<byte> messages)
    {
        int length = 0, count = 0;
        while (length < messages.Length && count < MaxRequestsPerSend
            && (count == 0 || length + LengthAt(messages, length) <= MaxBytesPerSend))
        {
            length += LengthAt(messages, length);
            count++;
        }

        return (length, count);
    }

    /// <summary>The chunks in which messages would be sent, numbered, as they would be: for a floor that sends the same.</summary>
    internal static IEnumerable<(byte[] Chunk, int Count)> Chunks(ReadOnlySpan<byte> messages)
    {
        var chunks = new List<(byte[], int)>();
        uint sequence = 1;
        while (!messages.IsEmpty)
        {
            (int length, int count) = NextChunk(messages);
            byte[] chunk = messages[..length].ToArray();
            for (int at = 0; at < length; at += LengthAt(chunk, at))
            {
                BinaryPrimitives.WriteUInt16LittleEndian(chunk.AsSpan(at + 6),
                    (ushort)(FlagsOf(chunk.AsSpan(at)) | NetlinkAbi.NLM_F_REQUEST | NetlinkAbi.NLM_F_ACK));
                BinaryPrimitives.WriteUInt32LittleEndian(chunk.AsSpan(at + NetlinkWriter.SequenceOffset), sequence++);
            }

            chunks.Add((chunk, count));
            messages = messages[length..];
        }

        return chunks;
    }

    private void ExecuteChunk(Span<byte> chunk, int count, int index, Action<int, Errno, ExtendedAck> failed)
    {
        const string Action = "send";
        uint first = Number(chunk, _sequence + 1, acknowledge: true);
        Send(chunk, Action, "a batch");
        long deadline = Deadline();
        int at = 0;
        for (int answered = 0; answered < count;)
        {
            ReadOnlySpan<byte> datagram = Receive(Action, "a batch");
            while (!datagram.IsEmpty)
            {
                ReadOnlySpan<byte> message = Next(ref datagram);
                // Acknowledgements come in the order of the requests.
                if (TypeOf(message) != NetlinkAbi.NLMSG_ERROR || SequenceOf(message) != first + (uint)answered)
                    continue;
                if (ExtendedAck.ReadErrno(message[NetlinkWriter.HeaderLength..]) != Errno.None)
                {
                    (Errno errno, ExtendedAck ack) = ExtendedAck.Read(message[NetlinkWriter.HeaderLength..], FlagsOf(message),
                        chunk.Slice(at, LengthAt(chunk, at)), Protocol);
                    failed(index + answered, errno, ack);
                }

                at += answered < count - 1 ? LengthAt(chunk, at) : 0;
                answered++;
            }

            CheckDeadline(deadline, Action, "a batch");
        }
    }
}
