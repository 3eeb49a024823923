using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Isolation.Kernel.Tests.Diagnostics;

/// <summary>Keeps what is logged.</summary>
internal sealed class RecordingLogger(LogLevel least = LogLevel.Trace) : ILogger, ILoggerProvider, ILoggerFactory
{
    internal sealed record Entry(int Id, string? Name, LogLevel Level, string Text, IReadOnlyDictionary<string, object?> Fields);

    internal ConcurrentQueue<Entry> Entries { get; } = [];

    internal string[] Categories => [.. _categories];

    private readonly ConcurrentQueue<string> _categories = [];

    internal int[] Ids => [.. Entries.Select(e => e.Id)];

    internal Entry Single(int id) => Assert.Single(Entries, e => e.Id == id);

    public bool IsEnabled(LogLevel logLevel) => logLevel >= least;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
        Func<TState, Exception?, string> formatter) => Entries.Enqueue(new Entry(eventId.Id, eventId.Name, logLevel,
            formatter(state, exception), ((IReadOnlyList<KeyValuePair<string, object?>>)state!).ToDictionary(p => p.Key, p => p.Value)));

    public ILogger CreateLogger(string categoryName)
    {
        _categories.Enqueue(categoryName);
        return this;
    }

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public void Dispose()
    {
    }
}
