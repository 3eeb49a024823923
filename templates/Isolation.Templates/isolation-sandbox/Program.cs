using Isolation.Containers;
using Isolation.Linux;

// The command that is not trusted; by default one that shows where it runs.
string[] command = args.Length > 0 ? args : ["sh", "-c", "echo \"process $$ on $(hostname), as user $(id -u)\"; ls /sys/class/net"];

using var interrupted = new CancellationTokenSource();
Console.CancelKeyPress += (_, e) =>
{
    e.Cancel = true;
    interrupted.Cancel();
};

try
{
    // The host's programs below a layer that is thrown away; no network; everything is killed when a limit is reached.
    ContainerOutput output = await new ContainerBuilder(Rootfs.Host)
        .WithCommand(command[0], command[1..])
        .WithTimeout(TimeSpan.FromSeconds(30))
        .WithOutputMax(ByteSize.FromMebibytes(4))
        .CaptureAsync(interrupted.Token);
    Console.Write(output.StandardOutput);
    Console.Error.Write(output.StandardError);
    Console.Error.WriteLine(output.Result);
    return output.Result.Status.ShellCode;
}
catch (OperationCanceledException)
{
    return 130;
}
catch (IsolationException e)
{
    // What this host refuses, and what to do about it.
    Console.Error.WriteLine(e.Message);
    return 125;
}
