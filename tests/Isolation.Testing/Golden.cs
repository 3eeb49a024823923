namespace Isolation.Testing;

/// <summary>Texts that were reviewed once, beside the tests.
/// Set ISOLATION_UPDATE_GOLDEN=1 to write them anew, then read the diff.</summary>
public static class Golden
{
    public static void AssertEqual(string name, string actual, [System.Runtime.CompilerServices.CallerFilePath] string caller = "")
    {
        string project = Path.GetFileName(Path.GetDirectoryName(caller)!);
        string? tree = Host.SourceTree;
        if (Environment.GetEnvironmentVariable("ISOLATION_UPDATE_GOLDEN") == "1" && tree is not null)
        {
            string target = Path.Combine(tree, "tests", project, "Golden", name);
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.WriteAllText(target, actual);
        }

        Assert.SkipWhen(tree is null, "needs the source tree, where the reviewed texts are");
        string path = Path.Combine(tree!, "tests", project, "Golden", name);
        Assert.True(File.Exists(path), $"There is no reviewed text {path}.");
        Assert.Equal(File.ReadAllText(path), actual);
    }
}
