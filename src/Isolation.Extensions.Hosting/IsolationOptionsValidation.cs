using System.Globalization;
using Isolation.Containers;
using Microsoft.Extensions.Options;

namespace Isolation.Extensions.Hosting;

/// <summary>Checks every definition and service when the host starts, and tells all faults at once, each with its key.</summary>
internal sealed class IsolationOptionsValidation : IValidateOptions<IsolationOptions>
{
    // The paths of a spec's faults, as the keys of a definition.
    private static readonly (string Path, string Key)[] s_keys =
    [
        ("root", nameof(SandboxDefinition.Rootfs)), ("process.args", nameof(SandboxDefinition.Command)),
        ("process.env", nameof(SandboxDefinition.Environment)), ("process.cwd", nameof(SandboxDefinition.WorkingDirectory)),
        ("process.user", nameof(SandboxDefinition.User)), ("process.capabilities", nameof(SandboxDefinition.Capabilities)),
        ("hostname", nameof(SandboxDefinition.HostName)), ("name", nameof(SandboxDefinition.Name)),
        ("mounts", nameof(SandboxDefinition.Mounts)), ("linux.resources.memory", nameof(SandboxDefinition.MemoryMax)),
        ("linux.resources.pids", nameof(SandboxDefinition.PidsMax)), ("cpuTimeMax", nameof(SandboxDefinition.CpuTimeMax)),
        ("outputMax", nameof(SandboxDefinition.OutputMax)), ("timeout", nameof(SandboxDefinition.Timeout)),
        ("process.std", nameof(SandboxDefinition.OutputMax)),
        ("network.ports", nameof(SandboxDefinition.Ports)), ("network", nameof(SandboxDefinition.Network)),
    ];

    public ValidateOptionsResult Validate(string? name, IsolationOptions options)
    {
        List<string> faults = [.. options.Faults];
        foreach ((string sandbox, SandboxDefinition definition) in options.Sandboxes)
            Check(definition.Section ?? $"{IsolationSection.Sandboxes}:{sandbox}", definition, faults);
        foreach ((string service, ContainerServiceOptions settings) in options.Services)
            Check(settings.Section ?? $"{IsolationSection.Services}:{service}", service, settings, options, faults);
        return faults.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(faults);
    }

    private static void Check(string path, SandboxDefinition definition, List<string> faults)
    {
        if (definition.Rootfs is null)
        {
            faults.Add($"{path}:{nameof(definition.Rootfs)} is missing.");
            return;
        }

        if (definition.Command.Count == 0 && definition.Configure is null)
            faults.Add($"{path}:{nameof(definition.Command)} is missing.");
        try
        {
            definition.ToBuilder().Build();
        }
        catch (SpecException e)
        {
            faults.AddRange(e.Faults.Select(f => $"{path}{KeyOf(f)}"));
        }
        catch (Exception e) when (e is ArgumentException or FormatException)
        {
            faults.Add($"{path}: {e.Message}");
        }
    }

    private static string KeyOf(SpecFault fault)
    {
        string? key = s_keys.FirstOrDefault(k => fault.Path.StartsWith(k.Path, StringComparison.Ordinal)).Key;
        string value = fault.Value is { } wrong ? $", not \"{wrong}\"" : "";
        return key is null ? $": {fault.Path} {fault.Rule}{value}." : $":{key} {fault.Rule}{value}.";
    }

    private static void Check(string path, string name, ContainerServiceOptions service, IsolationOptions options, List<string> faults)
    {
        void Require(bool holds, string key, string rule)
        {
            if (!holds)
                faults.Add($"{path}:{key} {rule}");
        }

        string sandbox = service.Sandbox ?? name;
        Require(options.Sandboxes.ContainsKey(sandbox), nameof(service.Sandbox),
            $"names no sandbox: \"{sandbox}\". {SandboxFactory.Known(options.Sandboxes.Keys)}");
        Require(service.MinimumDelay > TimeSpan.Zero, nameof(service.MinimumDelay), "must be longer than zero.");
        Require(service.MaximumDelay >= service.MinimumDelay && service.MaximumDelay <= TimeSpan.FromDays(1),
            nameof(service.MaximumDelay), string.Create(CultureInfo.InvariantCulture,
                $"must be {nameof(service.MinimumDelay)} ({service.MinimumDelay:c}) or more, and one day at most."));
        Require(service.HealthyAfter >= TimeSpan.Zero, nameof(service.HealthyAfter), "must not be negative.");
        Require(service.StopGrace >= TimeSpan.Zero, nameof(service.StopGrace), "must not be negative.");
        Require(service.MaximumRestarts is null or >= 0, nameof(service.MaximumRestarts), "must not be negative.");
    }
}
