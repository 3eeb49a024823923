using Isolation.Containers;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Isolation.Extensions.Hosting;

/// <summary>Adds containers to a host's services.</summary>
public static class IsolationServiceCollectionExtensions
{
    /// <summary>Adds <see cref="ISandboxFactory"/>, and each definition's builder as a keyed service. Definitions are checked when the host
    /// starts: an <see cref="OptionsValidationException"/> names every wrong one.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Defines sandboxes and services in code.</param>
    public static IServiceCollection AddIsolation(this IServiceCollection services, Action<IsolationOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        OptionsBuilder<IsolationOptions> options = services.AddOptions<IsolationOptions>().ValidateOnStart();
        if (configure is not null)
            options.Configure(configure);
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<IsolationOptions>, IsolationOptionsValidation>());
        services.TryAddSingleton<ISandboxFactory>(p =>
            new SandboxFactory(p.GetRequiredService<IOptionsMonitor<IsolationOptions>>(), p.GetService<ILoggerFactory>()));
        services.TryAddKeyedTransient<ContainerBuilder>(KeyedService.AnyKey,
            (p, name) => p.GetRequiredService<ISandboxFactory>().CreateBuilder((string)name!));
        return services;
    }

    /// <summary>As the other, with definitions from the sections <c>Sandboxes</c> and <c>Services</c> of a configuration, and a
    /// <see cref="ContainerService"/> for each of the latter. An unknown key is a fault.</summary>
    /// <param name="services">The services.</param>
    /// <param name="section">The section, such as <c>Isolation</c>. A change of it holds for containers that start later.</param>
    /// <param name="configure">Changes in code what was read.</param>
    public static IServiceCollection AddIsolation(this IServiceCollection services, IConfiguration section,
        Action<IsolationOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(section);
        services.AddSingleton<IConfigureOptions<IsolationOptions>>(new IsolationSection(section));
        services.AddSingleton<IOptionsChangeTokenSource<IsolationOptions>>(new ConfigurationChangeTokenSource<IsolationOptions>(section));
        services.AddIsolation(configure);
        foreach (IConfigurationSection service in section.GetSection(IsolationSection.Services).GetChildren())
            services.AddContainerService(service.Key);
        return services;
    }

    /// <summary>Adds a <see cref="ContainerService"/>: the host keeps a container running.</summary>
    /// <param name="services">The services.</param>
    /// <param name="name">The service's name, and its sandbox's unless <see cref="ContainerServiceOptions.Sandbox"/> is set.</param>
    /// <param name="configure">How it is kept running.</param>
    public static IServiceCollection AddContainerService(this IServiceCollection services, string name,
        Action<ContainerServiceOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(name);
        services.AddIsolation(options =>
        {
            ContainerServiceOptions service = options.Service(name);
            configure?.Invoke(service);
        });
        if (services.Any(d => d.ServiceType == typeof(ContainerService) && name.Equals(d.ServiceKey as string, StringComparison.Ordinal)))
            return services;
        services.AddKeyedSingleton(name, (p, _) => new ContainerService(name, p.GetRequiredService<IOptionsMonitor<IsolationOptions>>(),
            p.GetRequiredService<ISandboxFactory>(), p.GetRequiredService<IHostApplicationLifetime>(),
            p.GetRequiredService<ILogger<ContainerService>>()));
        services.AddSingleton<IHostedService>(p => p.GetRequiredKeyedService<ContainerService>(name));
        return services;
    }
}
