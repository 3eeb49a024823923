using Microsoft.Extensions.Logging;

namespace Isolation.Extensions.Hosting;

/// <summary>Messages of services. Ids begin at 101; docs/logging.md has them.</summary>
internal static partial class HostingLogMessages
{
    [LoggerMessage(101, LogLevel.Warning,
        "Service {Service} ended: {Outcome}; restart {Restart} in {DelayMs:F0} ms")]
    internal static partial void ServiceRestarts(ILogger logger, string service, string outcome, int restart, double delayMs);

    [LoggerMessage(102, LogLevel.Information, "Service {Service} is complete: {Outcome}")]
    internal static partial void ServiceCompleted(ILogger logger, string service, string outcome);

    [LoggerMessage(103, LogLevel.Error, "Service {Service} failed, and is not started again: {Outcome}, after {Restarts} restarts")]
    internal static partial void ServiceFailed(ILogger logger, string service, string outcome, int restarts);

    [LoggerMessage(104, LogLevel.Information, "Service {Service} was stopped with the host: {Outcome}")]
    internal static partial void ServiceStopped(ILogger logger, string service, string outcome);
}
