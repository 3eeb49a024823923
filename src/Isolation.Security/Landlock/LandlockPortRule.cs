using System.Globalization;

namespace Isolation.Security;

/// <summary>What is allowed on a port.</summary>
/// <param name="Port">0 to 65535; 0 stands for a port that the kernel chooses.</param>
/// <param name="Access">What is allowed.</param>
public sealed record LandlockPortRule(int Port, LandlockNetAccess Access)
{
    /// <inheritdoc/>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"port {Port}: {new LandlockRights(LandlockFileAccess.None, Access)}");
}
