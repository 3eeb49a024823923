using System.Collections.Immutable;
using System.Text;
using Isolation.Linux;
using Isolation.Linux.Launching;

namespace Isolation.Security;

/// <summary>An AppArmor profile as text, for apparmor_parser(8): an immutable value. See apparmor.d(5).</summary>
/// <example><code>
/// AppArmorProfile profile = AppArmorProfile.Container("jobs").Deny("network raw");
/// profile.Load();
/// </code></example>
/// <param name="Name">Under which it is loaded: letters, digits, and <c>- _ .</c></param>
/// <param name="Rules">The rules, without commas.</param>
public sealed record AppArmorProfile(string Name, ImmutableArray<string> Rules)
{
    private static readonly string[] s_parsers = ["/usr/sbin/apparmor_parser", "/sbin/apparmor_parser", "/usr/bin/apparmor_parser"];

    /// <summary>A profile for containers: files, networks and capabilities as the other layers allow; no mounts, no writing to kernel
    /// settings, no access to kernel memory and to security file systems; tracing and signals among its own processes only, signals from
    /// outside.</summary>
    /// <param name="name">Under which it is loaded.</param>
    public static AppArmorProfile Container(string name) => new(Checked(name),
    [
        "network",
        "capability",
        "file",
        "umount",
        "signal (receive) peer=unconfined",
        $"signal (send,receive) peer={name}",
        $"ptrace (trace,read,tracedby,readby) peer={name}",
        "deny mount",
        // Settings of the whole system: everything in proc but the processes' own, and what belongs to namespaces of its own.
        "deny @{PROC}/* w",
        "deny @{PROC}/{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9/]*}/** w",
        "deny @{PROC}/sys/[^kn]** w",
        "deny @{PROC}/sys/kernel/{?,??,[^s][^h][^m]**} w",
        "deny @{PROC}/sysrq-trigger rwklx",
        "deny @{PROC}/mem rwklx",
        "deny @{PROC}/kmem rwklx",
        "deny @{PROC}/kcore rwklx",
        "deny /sys/[^f]*/** wklx",
        "deny /sys/f[^s]*/** wklx",
        "deny /sys/fs/[^c]*/** wklx",
        "deny /sys/fs/c[^g]*/** wklx",
        "deny /sys/firmware/** rwklx",
        "deny /sys/devices/virtual/powercap/** rwklx",
        "deny /sys/kernel/security/** rwklx",
    ]);

    /// <summary>Adds a rule that denies: <c>mount</c>, <c>network raw</c>, <c>/etc/shadow r</c>.
    /// A denial outweighs whatever allows.</summary>
    public AppArmorProfile Deny(string rule) => Add("deny " + Checked(rule, nameof(rule)));

    /// <summary>Adds a rule.</summary>
    public AppArmorProfile Add(string rule)
    {
        string text = Checked(rule, nameof(rule));
        return Rules.Contains(text) ? this : this with { Rules = Rules.Add(text) };
    }

    /// <summary>Loads the profile into the kernel, in place of one of the same name, through apparmor_parser(8).</summary>
    /// <remarks>Scope: the system; it stays until it is removed.</remarks>
    /// <exception cref="KernelFeatureException">AppArmor is not active, or the package apparmor is not installed.</exception>
    /// <exception cref="LinuxException"><c>EACCES</c>: not root. <c>EINVAL</c>: a rule is wrong; the text has the parser's
    /// message.</exception>
    public void Load() => RunParser("load", "--replace");

    /// <summary>Removes the profile from the kernel. Processes under it are unconfined from then on.</summary>
    /// <inheritdoc cref="Load"/>
    public void Remove() => RunParser("remove", "--remove");

    /// <summary>The profile's text.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        text.Append("@{PROC}=/proc/\n\nprofile ").Append(Name).Append(" flags=(attach_disconnected,mediate_deleted) {\n");
        foreach (string rule in Rules)
            text.Append("  ").Append(rule).Append(",\n");
        return text.Append("}\n").ToString();
    }

    private void RunParser(string action, string option)
    {
        AppArmor.Require();
        string parser = s_parsers.FirstOrDefault(File.Exists)
            ?? throw new KernelFeatureException("the loading of an AppArmor profile", "apparmor_parser is not installed",
                "Install the package apparmor, or load the profile beforehand.");
        string file = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        try
        {
            File.WriteAllText(file, ToString());
            (ExitStatus status, string output) = HelperProcess.Run(parser, [parser, option, "--skip-cache", file]);
            if (status.Code != 0)
            {
                bool denied = output.Contains("policy admin privileges", StringComparison.Ordinal)
                    || output.Contains("Permission denied", StringComparison.Ordinal);
                throw new LinuxException($"{action} AppArmor profile", $"\"{Name}\"", "apparmor_parser(8)",
                    denied ? Errno.EACCES : Errno.EINVAL,
                    remedy: $"It said: {output.Replace(file, "the profile", StringComparison.Ordinal).Trim().ReplaceLineEndings(" ")}");
            }
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static string Checked(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        return name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')
            ? name
            : throw new ArgumentException($"\"{name}\" is no profile name: letters, digits, and - _ . are allowed.", nameof(name));
    }

    private static string Checked(string rule, string parameter)
    {
        ArgumentException.ThrowIfNullOrEmpty(rule, parameter);
        return rule.AsSpan().IndexOfAny("\n\r{}#") is var at and >= 0 && rule[at] is '\n' or '\r' or '#'
            ? throw new ArgumentException($"\"{rule}\" is more than one rule.", parameter)
            : rule.TrimEnd(',');
    }
}
