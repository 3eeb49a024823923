using System.Globalization;
using System.Runtime.CompilerServices;

namespace Isolation.Cgroups;

/// <summary>The settings that every control group of version 2 has, whatever its controllers.</summary>
/// <remarks>See the kernel's cgroup-v2 guide, "Core Interface Files".</remarks>
public static class CgroupControls
{
    /// <summary>How many levels of control groups may be below. Writes <c>cgroup.max.depth</c>. Since Linux 4.14.</summary>
    public static T WithCgroupMaxDepth<T>(this T cgroup, CgroupLimit depth) where T : ICgroupControls<T> =>
        Set(cgroup, "cgroup.max.depth", depth);

    /// <summary>How many control groups may be below, on all levels together.
    /// Writes <c>cgroup.max.descendants</c>. Since Linux 4.14.</summary>
    public static T WithCgroupMaxDescendants<T>(this T cgroup, CgroupLimit count) where T : ICgroupControls<T> =>
        Set(cgroup, "cgroup.max.descendants", count);

    /// <summary>Whether pressure is measured here. Writes <c>cgroup.pressure</c>. Scope:
    /// this control group alone. Since Linux 6.1.</summary>
    public static T WithCgroupPressure<T>(this T cgroup, bool measured) where T : ICgroupControls<T> =>
        Set(cgroup, "cgroup.pressure", measured);

    /// <summary>A name that is one word of a line: one with blanks would be taken for the limits behind it.</summary>
    internal static string Word(string name, [CallerArgumentExpression(nameof(name))] string parameter = "")
    {
        ArgumentNullException.ThrowIfNull(name, parameter);
        if (name.Length == 0 || name.Any(c => char.IsWhiteSpace(c) || char.IsControl(c)))
            throw new ArgumentException("Must be one word.", parameter);
        return name;
    }

    internal static T Set<T>(T cgroup, string file, object value) where T : ICgroupControls<T>
    {
        ArgumentNullException.ThrowIfNull(cgroup);
        string text = value switch
        {
            bool flag => flag ? "1" : "0",
            IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
            _ => value.ToString()!,
        };
        return cgroup.With(new CgroupSetting(file, text));
    }
}
