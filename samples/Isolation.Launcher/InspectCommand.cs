using System.Globalization;

namespace Isolation.Launcher;

/// <summary><c>isolation inspect</c>: what restricts a process.</summary>
internal static class InspectCommand
{
    internal static async Task<int> RunAsync(CommandLine line)
    {
        if (!int.TryParse(line.Operands[0], NumberStyles.None, CultureInfo.InvariantCulture, out int id) || id == 0)
            throw new UsageException("inspect takes the id of a process.");
        await StandardStreams.Output.WriteAsync(Security.ProcessSecurity.Read(id).ToString());
        return 0;
    }
}
