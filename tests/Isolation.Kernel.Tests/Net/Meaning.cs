using System.Collections;
using System.Reflection;
using Isolation.Net.Routing;

namespace Isolation.Kernel.Tests.Net;

/// <summary>Compares records by what is said in them: null leaves a property open.</summary>
internal static class Meaning
{
    /// <summary>What a record says and another says otherwise; empty where the second holds all of the first.</summary>
    internal static IReadOnlyList<string> Differences(object wanted, object found, params string[] except)
    {
        var differences = new List<string>();
        if (wanted.GetType() != found.GetType())
            differences.Add($"{found.GetType().Name} is not {wanted.GetType().Name}");
        foreach (PropertyInfo property in wanted.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance))
        {
            if (except.Contains(property.Name) || property.GetValue(wanted) is not { } value || wanted.GetType() != found.GetType())
                continue;
            object? other = property.GetValue(found);
            if (value is IEnumerable list and not string)
            {
                object[] first = [.. list.Cast<object>()], second = other is IEnumerable rest ? [.. rest.Cast<object>()] : [];
                if (first.Length > 0 && !first.SequenceEqual(second))
                    differences.Add($"{property.Name}: wanted [{string.Join(", ", first)}], found [{string.Join(", ", second)}]");
            }
            else if (value.GetType().Assembly == typeof(RouteObject).Assembly && value is { } nested && other is not null
                && nested.GetType().IsClass && nested.GetType() == other.GetType())
            {
                differences.AddRange(Differences(nested, other).Select(d => property.Name + "." + d));
            }
            else if (!value.Equals(other))
            {
                differences.Add($"{property.Name}: wanted {value}, found {other ?? "nothing"}");
            }
        }

        return differences;
    }
}
