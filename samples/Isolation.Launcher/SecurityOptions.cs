using System.Collections.Immutable;
using System.Globalization;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Security;

namespace Isolation.Launcher;

/// <summary>What <c>--security-opt</c> takes, as docker spells it, and a few words of our own.</summary>
internal sealed record SecurityOptions
{
    internal const string Known = "no-new-privileges[=false], seccomp=FILE|default|unconfined, seccomp-report=on|off, "
        + "apparmor=PROFILE|unconfined, label=disable|user:U|role:R|type:T|level:L|filetype:T, landlock=RULE,... and deny-write-execute";

    /// <summary>The beginnings of its values.</summary>
    internal static readonly ImmutableArray<string> Names =
        ["no-new-privileges", "seccomp=", "seccomp-report=", "apparmor=", "label=", "landlock=", "deny-write-execute"];

    private static readonly HashSet<string> s_told = new(StringComparer.Ordinal);

    internal bool? NoNewPrivileges { get; private init; }

    /// <summary>A file, <c>default</c> or <c>unconfined</c>; null where nothing is said.</summary>
    private string? Seccomp { get; init; }

    private bool ReportsDenials { get; init; } = true;

    /// <summary>Whether refusals are told of a command that succeeded too: they are asked for.</summary>
    internal bool AsksForReport { get; private init; }

    private string? AppArmor { get; init; }

    private ImmutableDictionary<string, string> Label { get; init; } = ImmutableDictionary<string, string>.Empty;

    private LandlockRuleset? Landlock { get; init; }

    private bool DenyWriteExecute { get; init; }

    internal SecurityOptions Add(string text)
    {
        int at = text.IndexOfAny(['=', ':']);
        (string name, string value) = at < 0 ? (text, "") : (text[..at], text[(at + 1)..]);
        return (name, value) switch
        {
            ("no-new-privileges", "" or "true") => this with { NoNewPrivileges = true },
            ("no-new-privileges", "false") => this with { NoNewPrivileges = false },
            ("seccomp", not "") => this with { Seccomp = value },
            ("seccomp-report", "on" or "off") => this with { ReportsDenials = value == "on", AsksForReport = value == "on" },
            ("apparmor", not "") => this with { AppArmor = value },
            ("label", "disable") => this with { Label = ImmutableDictionary<string, string>.Empty.Add("disable", "") },
            ("label", _) when value.Split(':', 2) is { Length: 2 } part && part[0] is "user" or "role" or "type" or "level" or "filetype" =>
                this with { Label = Label.SetItem(part[0], part[1]) },
            ("landlock", not "") => this with { Landlock = value.Split(',').Aggregate(Landlock ?? LandlockRuleset.Everything, Allow) },
            ("deny-write-execute", "" or "true") => this with { DenyWriteExecute = true },
            _ => throw new FormatException($"\"{text}\" is none of {Known}."),
        };
    }

    internal ContainerBuilder Apply(ContainerBuilder builder, bool privileged, CapabilitySet capabilities)
    {
        bool unconfined = Seccomp == "unconfined" || (Seccomp is null && privileged);
        if (unconfined)
            builder = builder.WithSeccompUnconfined();
        else if (Seccomp is not null and not "default")
            builder = builder.WithSeccomp(ReadAndTell(Seccomp, capabilities));
        // A report needs the filter to be loaded last.
        builder = builder.WithDenialReport(ReportsDenials && !unconfined && (NoNewPrivileges ?? true));
        if (AppArmor is not null)
            builder = builder.WithAppArmorProfile(AppArmor);
        if (!Label.IsEmpty && !Label.ContainsKey("disable"))
        {
            (string user, string level) = (Label.GetValueOrDefault("user", "system_u"), Label.GetValueOrDefault("level", "s0"));
            builder = builder.WithSELinux(new SELinuxContext(user, Label.GetValueOrDefault("role", "system_r"),
                Label.GetValueOrDefault("type", "container_t"), level),
                Label.TryGetValue("filetype", out string? type) ? new SELinuxContext(user, "object_r", type, level) : null);
        }

        if (Landlock is not null)
            builder = builder.WithLandlock(Landlock);
        return DenyWriteExecute ? builder.WithSecurity(s => s with { DenyWriteExecute = true }) : builder;
    }

    private static SeccompFilter ReadAndTell(string path, CapabilitySet capabilities)
    {
        SeccompFilter filter = ReadProfile(path, new SeccompProfileHost { Capabilities = capabilities });
        // The builder is made again where a flag is looked for that is at fault.
        if (!filter.UnknownNames.IsEmpty && s_told.Add(path))
            Failure.Tell($"{path}: without effect, since Linux {SyscallTable.Version} knows them not: {UnknownNames(filter)}");
        return filter;
    }

    internal static string UnknownNames(SeccompFilter filter) => string.Join(", ", filter.UnknownNames.Select(PrintableText.Of));

    /// <summary>Reads a profile's file; <c>default</c> is this library's own.</summary>
    internal static SeccompFilter ReadProfile(string path, SeccompProfileHost host)
    {
        if (path == "default")
        {
            SeccompFilter filter = SeccompFilter.DefaultFor(host.Capabilities);
            return host.Architectures is { } architectures ? filter.WithArchitectures([.. architectures]) : filter;
        }

        try
        {
            return SeccompProfile.ReadFile(path, host);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"The seccomp profile cannot be read: {Failure.Reason(e)}");
        }
        catch (FormatException e)
        {
            throw new UsageException($"{path}: {e.Message}");
        }
    }

    private static LandlockRuleset Allow(LandlockRuleset ruleset, string rule)
    {
        int at = rule.IndexOf(':', StringComparison.Ordinal);
        (string kind, string value) = at < 0 ? (rule, "") : (rule[..at], rule[(at + 1)..]);
        return kind switch
        {
            "ro" when value.StartsWith('/') => ruleset.Allow(LandlockFileAccess.Read, value),
            "rx" when value.StartsWith('/') => ruleset.Allow(LandlockFileAccess.Read | LandlockFileAccess.Execute, value),
            "rw" when value.StartsWith('/') =>
                ruleset.Allow(LandlockFileAccess.Read | LandlockFileAccess.Write | LandlockFileAccess.IoctlDev, value),
            "connect" => ruleset.Allow(LandlockNetAccess.ConnectTcp, Port(value)),
            "bind" => ruleset.Allow(LandlockNetAccess.BindTcp, Port(value)),
            _ => throw new FormatException($"\"{rule}\" is no Landlock rule: ro:PATH, rx:PATH, rw:PATH, connect:PORT or bind:PORT."),
        };
    }

    private static int Port(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int port) && port <= 65535
            ? port
            : throw new FormatException($"\"{text}\" is no port.");
}
