namespace Isolation.Net.Routing;

/// <summary>Something was made, changed or deleted.</summary>
/// <param name="Subject">What, as it is now, or was.</param>
/// <param name="Deleted">Whether it is gone.</param>
public sealed record RouteEvent(RouteObject Subject, bool Deleted);
