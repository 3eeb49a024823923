using System.Collections;
using System.Collections.Immutable;

namespace Isolation.Cgroups;

/// <summary>Settings for a control group as data: immutable, printable, comparable.
/// A later one replaces an earlier one of the same file.</summary>
/// <remarks>Files and values are version 2's. On a version 1 host they are translated. A setting that version 1 lacks is an error that
/// names it.</remarks>
/// <example><code>
/// CgroupSettings small = CgroupSettings.None.WithMemoryMax(ByteSize.FromMebibytes(64)).WithCpus(0.5).WithPidsMax(100);
/// </code></example>
public sealed class CgroupSettings : ICgroupControls<CgroupSettings>, IReadOnlyList<CgroupSetting>, IEquatable<CgroupSettings>
{
    private readonly ImmutableArray<CgroupSetting> _settings;

    private CgroupSettings(ImmutableArray<CgroupSetting> settings) => _settings = settings;

    /// <summary>No settings.</summary>
    public static CgroupSettings None { get; } = new([]);

    /// <inheritdoc/>
    public int Count => _settings.Length;

    /// <inheritdoc/>
    public CgroupSetting this[int index] => _settings[index];

    /// <summary>The value for a file; null where there is none.</summary>
    public string? this[string file] => _settings.FirstOrDefault(s => s.File == file)?.Value;

    /// <summary>The settings with one more, which replaces an earlier one of the same file and device.</summary>
    /// <remarks>Limits of a device that only the earlier one names stay, as they do in the kernel: those of <c>io.max</c>,
    /// <c>io.cost.qos</c>, <c>io.cost.model</c> and <c>rdma.max</c>, and the period of <c>cpu.max</c>.</remarks>
    public CgroupSettings With(CgroupSetting setting)
    {
        ArgumentNullException.ThrowIfNull(setting);
        ArgumentNullException.ThrowIfNull(setting.File);
        ArgumentNullException.ThrowIfNull(setting.Value);
        if (setting.File.Length == 0 || setting.File.Contains('/', StringComparison.Ordinal)
            || setting.File.Contains('\0', StringComparison.Ordinal) || setting.Value.Contains('\0', StringComparison.Ordinal))
            throw new ArgumentException($"\"{setting}\" is not a setting: it needs the name of an interface file, and a value without NUL.",
                nameof(setting));
        CgroupSetting? earlier = _settings.FirstOrDefault(s => s.Key == setting.Key);
        return new([.. _settings.Where(s => s != earlier), earlier is null ? setting : setting.After(earlier)]);
    }

    /// <summary>The settings with those of another list after them.</summary>
    public CgroupSettings With(IEnumerable<CgroupSetting> others) =>
        (others ?? throw new ArgumentNullException(nameof(others))).Aggregate(this, (all, s) => all.With(s));

    /// <summary>What another list has that this one has not, or with another value:
    /// what must be written to get from this to that.</summary>
    public CgroupSettings ChangesTo(CgroupSettings other) =>
        new([.. (other ?? throw new ArgumentNullException(nameof(other)))._settings.Where(s => !_settings.Contains(s))]);

    /// <inheritdoc/>
    public bool Equals(CgroupSettings? other) => other is not null
        && _settings.Order(s_byKey).SequenceEqual(other._settings.Order(s_byKey));

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as CgroupSettings);

    /// <inheritdoc/>
    public override int GetHashCode() => _settings.Aggregate(0, (hash, s) => hash ^ s.GetHashCode());

    /// <inheritdoc/>
    public IEnumerator<CgroupSetting> GetEnumerator() => ((IEnumerable<CgroupSetting>)_settings).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>One <c>FILE = VALUE</c> a line.</summary>
    public override string ToString() => string.Join('\n', _settings);

    private static readonly Comparer<CgroupSetting> s_byKey = Comparer<CgroupSetting>.Create((a, b) => string.CompareOrdinal(a.Key, b.Key));
}
