using Isolation.Linux;
using Microsoft.Extensions.Logging;

namespace Isolation.Containers;

/// <summary>Names of what this library tells to logs, metrics and traces, and the logger factory of the whole process.</summary>
/// <remarks>Nothing is built, measured or allocated for a listener that is not there. Events and their fields: docs/logging.md.</remarks>
public static class ContainerDiagnostics
{
    /// <summary>The category of the loggers that this library makes.</summary>
    public const string LoggerCategory = "Isolation.Containers";

    /// <summary>The name of the <see cref="System.Diagnostics.ActivitySource"/>: a span <c>container.launch</c> for each launch, with an
    /// event for each step where the steps are timed.</summary>
    public const string ActivitySourceName = "Isolation";

    /// <summary>The name of the <see cref="System.Diagnostics.Metrics.Meter"/> of launches and ends. Statistics of running containers come
    /// from <see cref="Isolation.Cgroups.CgroupMetrics.MeterName"/>.</summary>
    public const string MeterName = "Isolation";

    private static ILoggerFactory? s_factory;
    private static ILogger? s_logger;

    /// <summary>Makes the logger of each container that has none of its own, and of what belongs to no container; null, as at first, for
    /// none. Scope: the process.</summary>
    /// <remarks>Loggers are called on threads that launch containers or clean up after them: a provider must not block. What it throws is
    /// dropped.</remarks>
    public static ILoggerFactory? LoggerFactory
    {
        get => s_factory;
        set
        {
            s_logger = value?.CreateLogger(LoggerCategory);
            s_factory = value;
        }
    }

    /// <summary>The logger of a container; null for none. Of no container where there is none.</summary>
    internal static ILogger? LoggerOf(ContainerStart? start) => start?.Logger ?? s_logger;

    /// <summary>Warns of what should have been removed, and was not.</summary>
    internal static void TellCleanUpFailure(ContainerStart? start, string? container, string action, Exception failure) =>
        TellCleanUpFailure(start, container, action, (failure as LinuxException)?.Errno ?? Errno.None, failure.GetType().Name);

    /// <summary>Warns of what should have been removed, unless that is because it is gone.</summary>
    internal static void TellUnlessGone(ContainerStart? start, string? container, string action, Exception failure)
    {
        if (failure is not (ObjectDisposedException or LinuxException { Errno: Errno.ENOENT or Errno.ENODEV or Errno.ESRCH }))
            TellCleanUpFailure(start, container, action, failure);
    }

    /// <summary>Warns of what a call has refused to remove.</summary>
    internal static void TellCleanUpFailure(ContainerStart? start, string? container, string action, Errno errno, string kind = "")
    {
        string error = errno == Errno.None ? kind : $"{errno.Name()} ({errno.Meaning()})";
        try
        {
            ContainerInstruments.CountCleanUpFailure(action);
            if (LoggerOf(start) is { } logger)
                LogMessages.CleanUpFailed(logger, container ?? "", action, error);
        }
#pragma warning disable CA1031 // A listener's own failure is no reason to clean up less.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }

    /// <summary>Warns that a pool of network namespaces could not be filled.</summary>
    internal static void TellPoolFailure(Exception failure)
    {
        try
        {
            if (s_logger is { } logger)
                LogMessages.NetworkPoolNotFilled(logger, failure is LinuxException refused ? refused.Errno.Name() : failure.GetType().Name);
        }
#pragma warning disable CA1031 // As above.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }
}
