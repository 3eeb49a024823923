using System.Reflection;
using System.Text.RegularExpressions;
using Isolation.Containers;
using Microsoft.Extensions.Logging;

namespace Isolation.Extensions.Hosting.Tests;

/// <summary>The ids, names, levels and fields of messages are a promise: docs/logging.md has them, and the code is compared to
/// it.</summary>
public partial class LogTableTests
{
    [Fact]
    public void The_documented_messages_are_those_of_the_code()
    {
        Assert.SkipWhen(Host.SourceTree is null, "needs the source tree, where the table is");
        string[] documented = [.. File.ReadLines(Path.Combine(Host.SourceTree!, "docs", "logging.md"))
            .Where(l => Row().IsMatch(l)).Select(l => l.Trim('|', ' '))];
        string[] actual = [.. Messages().OrderBy(m => m.Attribute.EventId).Select(m => string.Join(" | ", m.Attribute.EventId,
            m.Attribute.EventName ?? m.Method.Name, m.Attribute.Level, string.Join(", ", Fields(m.Attribute.Message).Distinct())))];
        Assert.True(actual.Length >= 17);
        Assert.Equal(actual, documented);
    }

    [Fact]
    public void No_id_is_given_twice() =>
        Assert.All(Messages().GroupBy(m => m.Attribute.EventId), g => Assert.Single(g));

    [Fact]
    public void No_message_has_a_field_for_arguments_or_values()
    {
        string[] names = [.. Messages().SelectMany(m => Fields(m.Attribute.Message)).Distinct()];
        Assert.DoesNotContain(names, n => n is "Arguments" or "Command" or "CommandLine" or "Environment" or "Value" or "Subject");
    }

    /// <summary>Each message's parameters are its fields: none is passed that does not show, and none shows another's value.</summary>
    [Fact]
    public void Parameters_are_the_fields() => Assert.All(Messages(), m => Assert.Equal(
        m.Method.GetParameters().Skip(1).Select(p => p.Name!.ToUpperInvariant()).Order(),
        Fields(m.Attribute.Message).Distinct().Select(f => f.ToUpperInvariant()).Order()));

    private static IEnumerable<(MethodInfo Method, LoggerMessageAttribute Attribute)> Messages() =>
        new[] { typeof(Container).Assembly, typeof(ContainerService).Assembly }.SelectMany(a => a.GetTypes())
            .SelectMany(t => t.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            .Select(m => (Method: m, Attribute: m.GetCustomAttribute<LoggerMessageAttribute>()!)).Where(m => m.Attribute is not null);

    private static IEnumerable<string> Fields(string template) => Field().Matches(template).Select(m => m.Groups[1].Value);

    [GeneratedRegex(@"^\| \d+ \| \w+ \| \w+ \| ")]
    private static partial Regex Row();

    [GeneratedRegex(@"\{(\w+)(:\w+)?\}")]
    private static partial Regex Field();
}
