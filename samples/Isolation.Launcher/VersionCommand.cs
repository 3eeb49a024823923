using System.Reflection;

namespace Isolation.Launcher;

/// <summary><c>isolation version</c>, and <c>isolation --version</c>.</summary>
internal static class VersionCommand
{
    /// <summary>The version of the packages, without the commit that the compiler appends.</summary>
    internal static string Version =>
        typeof(VersionCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    internal static async Task<int> PrintAsync(CommandLine line)
    {
        await StandardStreams.Output.WriteLineAsync($"isolation {Version}");
        return 0;
    }
}
