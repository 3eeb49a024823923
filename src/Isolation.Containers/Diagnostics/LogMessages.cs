using Microsoft.Extensions.Logging;

namespace Isolation.Containers;

/// <summary>Every message of this library's log. Ids and names are stable; docs/logging.md has them, and a test compares the two.</summary>
/// <remarks>No message has an argument of a command, an environment value or the content of a file: of a command only the
/// program.</remarks>
internal static partial class LogMessages
{
    [LoggerMessage(1, LogLevel.Information,
        "Container {Container} started: process {ProcessId} runs {Program}, launched in {DurationMs:F2} ms, {Form}")]
    internal static partial void ContainerStarted(
        ILogger logger, string container, int processId, string program, double durationMs, string form);

    [LoggerMessage(2, LogLevel.Error,
        "Container {Container} with {Program} did not start: step {Step} of {Steps}, {Action}: {Call} failed with {Errno}, "
            + "after {DurationMs:F2} ms")]
    internal static partial void LaunchFailed(ILogger logger, string container, string program, int step, int steps, string action,
        string call, string errno, double durationMs);

    [LoggerMessage(3, LogLevel.Error, "Container {Container} with {Program} did not start: {Error}, after {DurationMs:F2} ms")]
    internal static partial void LaunchRefused(ILogger logger, string container, string program, string error, double durationMs);

    [LoggerMessage(4, LogLevel.Information, "The start of container {Container} with {Program} was cancelled after {DurationMs:F2} ms")]
    internal static partial void LaunchCancelled(ILogger logger, string container, string program, double durationMs);

    [LoggerMessage(5, LogLevel.Information,
        "Container {Container} ended: process {ProcessId} of {Program} {Status} after {DurationMs:F2} ms, limits hit: {Limits}")]
    internal static partial void ContainerEnded(ILogger logger, string container, int processId, string program, string status,
        double durationMs, LimitHits limits);

    [LoggerMessage(6, LogLevel.Warning, "Container {Container}, process {ProcessId}: the limit {Limit} of {Max} was hit")]
    internal static partial void LimitHit(ILogger logger, string container, int processId, LimitHits limit, string max);

    [LoggerMessage(7, LogLevel.Warning,
        "Container {Container}: the seccomp filter refused {Call} of process {ProcessId} ({ProcessName}): {Action}")]
    internal static partial void CallDenied(
        ILogger logger, string container, string call, int processId, string processName, string action);

    [LoggerMessage(8, LogLevel.Information,
        "Container {Container}: processes that outlived process {ProcessId} of {Program} were killed")]
    internal static partial void SurvivorsKilled(ILogger logger, string container, int processId, string program);

    [LoggerMessage(9, LogLevel.Warning, "Container {Container}: could not {Action}: {Error}")]
    internal static partial void CleanUpFailed(ILogger logger, string container, string action, string error);

    [LoggerMessage(10, LogLevel.Debug, "Container {Container}: {Part}: {Chosen}, since {Reason}")]
    internal static partial void FallbackChosen(ILogger logger, string container, string part, string chosen, string reason);

    [LoggerMessage(11, LogLevel.Warning, "Container {Container} is less protected: {Part}: {Chosen}, since {Reason}")]
    internal static partial void ProtectionMissing(ILogger logger, string container, string part, string chosen, string reason);

    [LoggerMessage(12, LogLevel.Warning, "Container {Container} was killed, since a stream given to it failed: {Error}")]
    internal static partial void StreamFailed(ILogger logger, string container, string error);

    [LoggerMessage(13, LogLevel.Warning, "The pool of network namespaces could not be filled: {Error}")]
    internal static partial void NetworkPoolNotFilled(ILogger logger, string error);
}
