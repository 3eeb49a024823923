using Isolation.Containers;
using Isolation.Linux;

namespace Isolation.Launcher;

/// <summary><c>isolation doctor</c>: what works on this host, and what to do about what does not. Ends with a real container.</summary>
internal static class DoctorCommand
{
    internal static async Task<int> RunAsync(CommandLine line)
    {
        foreach (HostCheck check in HostFacts.Current.Checks())
        {
            await StandardStreams.Output.WriteLineAsync($"{(check.Works ? "ok  " : "FAIL")}  {check.Name,-18} {check.Found}");
            if (check.Remedy is not null)
                await StandardStreams.Output.WriteLineAsync($"      {"",-18} -> {check.Remedy}");
        }

        string? failure = await TryContainerAsync();
        await StandardStreams.Output.WriteLineAsync(failure is null
            ? "ok    a container       started and ended"
            : $"FAIL  a container       {failure}");
        return failure is null ? 0 : 1;
    }

    private static async Task<string?> TryContainerAsync()
    {
        try
        {
            RunOptions options = new() { Command = ["true"] };
            ContainerResult result = await options.ToBuilder(HostFacts.Current).RunAsync();
            return result.Status.Code == 0 ? null : result.ToString();
        }
        catch (Exception e) when (Failure.IsExpected(e))
        {
            return Failure.Reason(e);
        }
    }
}
