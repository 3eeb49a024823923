using System.Diagnostics;
using System.Net.Sockets;
using Isolation.Linux;
using Isolation.Linux.Syscalls;
using Isolation.Security;

namespace Isolation.Testing.Victim;

/// <summary>A program with threads at work that restricts itself, and then tries what it may not.</summary>
internal static class SandboxVictim
{
    internal static int Run(string mode, string directory)
    {
        string scratch = Path.Combine(directory, "scratch");
        if (mode == "--thread-filter")
            return RestrictBesideAThreadWithItsOwn();
        // Threads that are there before, as a server's are.
        using var earlier = new LinuxThread("earlier thread");
        ThreadPool.SetMinThreads(4, 4);
        Task.WaitAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => Thread.Sleep(30))).ToArray());
        SeccompFilter filter = SeccompFilter.DotNet.Without("socket").Add(SeccompAction.Allow, "socket", SeccompCondition.Equal(0, 1));
        SandboxPolicy Policy(SandboxPolicy s) => s.Runtime().Execute("/usr/bin", "/bin").Write(scratch).Seccomp(filter).DropAll();
        SandboxReport report = mode == "--sandbox-anew" ? Sandbox.RestrictByReexecuting(Policy) : Sandbox.Restrict(Policy);
        Console.WriteLine(report);
        if (report is
            {
                Seccomp: SandboxScope.Process, Landlock: SandboxScope.Process, Capabilities: SandboxScope.Process,
                NoNewPrivileges: SandboxScope.Process
            })
            Console.WriteLine("complete for all threads");
        Try("first thread", directory, scratch);
        var thread = new Thread(() => Try("new thread", directory, scratch));
        thread.Start();
        thread.Join();
        Task.Run(() => Try("pool thread", directory, scratch)).Wait();
        earlier.Invoke(() => Try("earlier thread", directory, scratch));
        TryInChild(directory, scratch);
        return 0;
    }

    private static void Try(string who, string directory, string scratch)
    {
        Tell(who, "allowed write", () => File.WriteAllText(Path.Combine(scratch, Guid.NewGuid().ToString()), "x"));
        Tell(who, "read of a secret", () => File.ReadAllText(Path.Combine(directory, "secret/file")));
        Tell(who, "write beside", () => File.WriteAllText(Path.Combine(directory, "beside"), "x"));
        Tell(who, "socket", () => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp).Dispose());
        Tell(who, "mount", () => RawSyscall.Invoke(Syscall.mount, 0, 0, 0, 0, 0).ThrowIfError("mount", "", "mount(2)"));
    }

    private static void Tell(string who, string what, Action action)
    {
        try
        {
            action();
            Console.WriteLine($"{who}: {what} works");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or SocketException
            or LinuxException { Errno: Errno.EPERM })
        {
            Console.WriteLine($"{who}: {what} refused");
        }
    }

    private static void TryInChild(string directory, string scratch)
    {
        string script = $"t() {{ if eval \"$2\" >/dev/null 2>&1; then echo \"child: $1 works\"; else echo \"child: $1 refused\"; fi; }}; "
            + $"t 'allowed write' 'echo x > {scratch}/c'; t 'read of a secret' 'cat {directory}/secret/file'; "
            + $"t 'write beside' 'echo x > {directory}/c'; t socket 'getent ahosts 192.0.2.1 && bash -c \"exec "
            + $"3<>/dev/tcp/127.0.0.1/1\"'; t mount 'mount -t tmpfs x {scratch}'";
        using Process child = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", script]) { RedirectStandardOutput = true })!;
        Console.Write(child.StandardOutput.ReadToEnd());
        child.WaitForExit();
    }

    private static int RestrictBesideAThreadWithItsOwn()
    {
        using var odd = new LinuxThread("odd one");
        NoNewPrivileges.SetForCurrentThread();
        odd.Invoke(() =>
        {
            NoNewPrivileges.SetForCurrentThread();
            SeccompFilter.Of(SeccompAction.Allow).Add(SeccompAction.Deny, "sethostname").LoadOnCurrentThread();
        });
        try
        {
            SeccompFilter.NoNetwork.LoadOnAllThreads();
            return 1;
        }
        catch (LinuxException e)
        {
            Console.WriteLine(e.Message);
            return 0;
        }
    }
}
