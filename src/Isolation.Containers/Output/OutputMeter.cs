namespace Isolation.Containers;

/// <summary>Counts what a container writes to all streams that pass through this process, and says once that it is too much.</summary>
/// <param name="max">The limit, in bytes.</param>
/// <param name="exceeded">Called once, by whoever reads the first byte above the limit.</param>
internal sealed class OutputMeter(long max, Action exceeded)
{
    private long _read;
    private int _told;

    /// <summary>Counts bytes that were read; returns how many of them are within the limit.</summary>
    internal int Count(int bytes)
    {
        long before = Interlocked.Add(ref _read, bytes) - bytes;
        if (before + bytes <= max)
            return bytes;
        if (Interlocked.Exchange(ref _told, 1) == 0)
            exceeded();
        return (int)Math.Clamp(max - before, 0, bytes);
    }
}
