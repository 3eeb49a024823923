using System.Globalization;
using System.Runtime.InteropServices;
using Isolation.Linux.Syscalls;

namespace Isolation.Testing;

/// <summary>Interrupts every thread of this process over and over, as the runtime does when it stops threads for the
/// garbage collector, only more often.</summary>
/// <remarks>The handler is a function of libc that does nothing, without <c>SA_RESTART</c>: a call that can be interrupted is.</remarks>
public sealed partial class SignalStorm : IDisposable
{
    private const int Signal = 44; // a real-time signal that the runtime does not use

    private readonly Thread _thread;
    private volatile bool _stop;
    private long _sent;

    /// <summary>Begins it.</summary>
    /// <param name="threads">The threads to interrupt; none for all, those that come later included.</param>
    public SignalStorm(params int[] threads)
    {
        nint libc = NativeLibrary.Load("libc.so.6");
        Assert.NotEqual(-1, InstallHandler(Signal, NativeLibrary.GetExport(libc, "abs")));
        Assert.Equal(0, InterruptCalls(Signal, 1));
        _thread = new Thread(() => Blow(threads)) { IsBackground = true };
        _thread.Start();
    }

    /// <summary>How many signals were sent.</summary>
    public long Sent => Volatile.Read(ref _sent);

    /// <summary>The number of the calling thread.</summary>
    public static int CurrentThread => (int)RawSyscall.Invoke(Syscall.gettid).Value;

    /// <summary>Ends it. The handler stays: a signal may be on its way.</summary>
    public void Dispose()
    {
        _stop = true;
        _thread.Join();
    }

    private void Blow(int[] threads)
    {
        int self = CurrentThread;
        while (!_stop)
        {
            IEnumerable<int> targets = threads.Length > 0 ? threads : Directory.EnumerateDirectories("/proc/self/task")
                .Select(d => int.Parse(Path.GetFileName(d), CultureInfo.InvariantCulture)).Where(t => t != self).ToArray();
            for (int round = 0; round < 20 && !_stop; round++)
            {
                foreach (int thread in targets)
                {
                    if (!RawSyscall.Invoke(Syscall.tgkill, (nuint)Environment.ProcessId, (nuint)thread, Signal).IsError)
                        Interlocked.Increment(ref _sent);
                }

                Thread.SpinWait(2000);
            }

            Thread.Sleep(threads.Length > 0 ? 0 : 1);
        }
    }

    [LibraryImport("libc", EntryPoint = "signal")]
    private static partial nint InstallHandler(int signal, nint handler);

    [LibraryImport("libc", EntryPoint = "siginterrupt")]
    private static partial int InterruptCalls(int signal, int interrupt);
}
