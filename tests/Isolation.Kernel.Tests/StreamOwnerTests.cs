using System.Diagnostics;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Namespaces;

namespace Isolation.Kernel.Tests;

/// <summary>/dev/stdout is opened anew by its name: proc asks for the rights of whom the pipe belongs to. Docker gives pipes to the
/// container's user too.</summary>
public class StreamOwnerTests
{
    private const string Script = "echo in > /dev/null; read x < /dev/stdin; echo $x > /dev/stdout; echo err > /dev/stderr";

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Another_user_can_open_pipes_by_name(bool userNamespace)
    {
        ContainerBuilder builder = Box.Shell(Script).WithUser(33, 33).WithStandardInput(Stdio.Pipe).WithStandardOutput(Stdio.Pipe)
            .WithStandardError(Stdio.Pipe);
        if (userNamespace || !Host.IsRoot)
            builder = builder.WithRanges();
        await using Container process = await builder.StartAsync(TestContext.Current.CancellationToken);
        process.StandardInput!.Write("word\n"u8);
        Task<string> errors = new StreamReader(process.StandardError!).ReadToEndAsync(TestContext.Current.CancellationToken);
        string output = await new StreamReader(process.StandardOutput!).ReadToEndAsync(TestContext.Current.CancellationToken);
        Assert.Equal(("word\n", "err\n"), (output, await errors));
    }

    [Fact]
    public void A_pipe_of_a_shell_can_be_opened_too()
    {
        if (!Host.IsRoot)
            Box.NeedsRanges();
        string launcher = Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll"), userns = Host.IsRoot ? "" : "--group-add 5";
        (int code, string output) = Host.Run("sh", "-c", $"echo word | dotnet {launcher} run {userns} -u 33 sh -c '{Script}' 2>&1 | cat");
        Assert.Equal((0, "word\nerr\n"), (code, output));
    }

    [Fact]
    public void A_file_or_a_fifo_keeps_its_owner()
    {
        Host.NeedsRoot();
        using var directory = new TemporaryDirectory();
        string file = directory.Write("file", ""), fifo = Path.Combine(directory.Path, "fifo"),
            launcher = Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll");
        (int code, string output) = Host.Run("sh", "-c",
            $"mkfifo {fifo}; exec 3<>{fifo}; dotnet {launcher} run -u 33 sh -c 'echo x; "
                + $"echo y >&2' > {file} 2>&3; stat -c %u {file} {fifo}");
        Assert.Equal((0, "0\n0\n"), (code, output));
        Assert.Equal("x\n", File.ReadAllText(file));
    }
}
