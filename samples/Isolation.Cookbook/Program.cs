namespace Isolation.Cookbook;

/// <summary>Runs a recipe: <c>dotnet run --project samples/Isolation.Cookbook -- RECIPE [ARGUMENTS]</c>.</summary>
internal static class Program
{
    private static readonly Dictionary<string, Func<string[], Task>> s_recipes = new(StringComparer.OrdinalIgnoreCase)
    {
        [nameof(CaptureWithLimits)] = CaptureWithLimits.Main,
        [nameof(StreamLines)] = StreamLines.Main,
        [nameof(FeedStandardInput)] = FeedStandardInput.Main,
        [nameof(RunAsNobody)] = RunAsNobody.Main,
        [nameof(DenyNetwork)] = DenyNetwork.Main,
        [nameof(AllowOneHost)] = AllowOneHost.Main,
        [nameof(RunCSharp)] = RunCSharp.Main,
        [nameof(Judge)] = Judge.Main,
        [nameof(ConvertFile)] = ConvertFile.Main,
        [nameof(WhichLimitFired)] = WhichLimitFired.Main,
        [nameof(ListAndStop)] = ListAndStop.Main,
        [nameof(JoinNamespaces)] = JoinNamespaces.Main,
        [nameof(PublishPort)] = PublishPort.Main,
        [nameof(RestrictThisProcess)] = RestrictThisProcess.Main,
    };

    internal static async Task<int> Main(string[] arguments)
    {
        if (arguments is not [var name, .. var rest] || !s_recipes.TryGetValue(name, out Func<string[], Task>? recipe))
        {
            await Console.Error.WriteLineAsync($"usage: RECIPE [ARGUMENTS], where RECIPE is one of {string.Join(", ", s_recipes.Keys)}");
            return 2;
        }

        await recipe(rest);
        return 0;
    }
}
