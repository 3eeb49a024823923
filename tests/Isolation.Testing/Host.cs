using System.Diagnostics;

namespace Isolation.Testing;

/// <summary>What a test needs of the host. A skip names what is missing.</summary>
public static class Host
{
    /// <summary>Whether the long lanes are run whole: <c>ISOLATION_LONG=1</c>, as <c>eng/test.sh --long</c> sets it.
    /// A short core of each is always run.</summary>
    public static bool IsLong { get; } = !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("ISOLATION_LONG"));

    /// <summary>Whether this is the test machine, whose processor is emulated: all takes ten times as long.</summary>
    public static bool IsEmulated { get; } = Environment.GetEnvironmentVariable("ISOLATION_TEST_MACHINE") is not null;

    public static bool IsRoot => Environment.UserName == "root";

    /// <summary>What starts the launcher, with its assembly as the first argument: the runtime that runs the tests, which need not be
    /// in the path. In the test machine it is a program that starts the launcher compiled ahead of time.</summary>
    public static string Dotnet { get; } = Environment.GetEnvironmentVariable("ISOLATION_TEST_DOTNET")
        ?? (Path.GetFileName(Environment.ProcessPath) == "dotnet" ? Environment.ProcessPath! : "dotnet");

    public static void NeedsRoot() => Assert.SkipUnless(IsRoot, "needs root");

    public static void NeedsOrdinaryUser() => Assert.SkipWhen(IsRoot, "needs an ordinary user: run the tests as one");

    public static void NeedsTool(string name) => Assert.SkipUnless(FindTool(name) is not null, $"needs {name}, which is not installed");

    public static string? FindTool(string name) => (Environment.GetEnvironmentVariable("PATH") ?? "/usr/bin:/bin").Split(':')
        .Append("/usr/sbin").Append("/sbin")
        .Select(d => Path.Combine(d, name)).FirstOrDefault(File.Exists);

    /// <summary>Runs a tool and returns its exit code and what it wrote to both outputs.</summary>
    public static (int Code, string Output) Run(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.Result);
    }

    /// <summary>The root of the source tree, found upwards from the test's own folder;
    /// null where the tests were copied elsewhere.</summary>
    public static string? SourceTree
    {
        get
        {
            for (DirectoryInfo? directory = new(AppContext.BaseDirectory); directory is not null; directory = directory.Parent)
            {
                if (File.Exists(Path.Combine(directory.FullName, "Isolation.sln")))
                    return directory.FullName;
            }

            return null;
        }
    }

    /// <summary>A file of real profiles and configurations, which may lie beside the source tree; null where it does not.</summary>
    public static string? SharedData(string name) =>
        SourceTree is { } tree && Path.Combine(tree, "..", "shared", "data", name) is var path && File.Exists(path) ? path : null;
}
