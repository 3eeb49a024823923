using Isolation.Linux;
using Isolation.Security;

namespace Isolation.Kernel.Tests.Security;

/// <summary>Capabilities, their bits and files, and settings of threads, in the kernel.</summary>
public class CapabilityKernelTests
{
    private static T OnThread<T>(Func<T> function)
    {
        using var thread = new LinuxThread("capability test");
        return thread.Invoke(function);
    }

    [Fact]
    public void Keeping_some_drops_the_others_on_one_thread()
    {
        Host.NeedsRoot();
        CapabilityState before = Capabilities.Read();
        CapabilitySet keep = CapabilitySet.Of(Capability.Chown, Capability.Kill);
        CapabilityState after = OnThread(() =>
        {
            Capabilities.Keep(keep);
            return Capabilities.Read();
        });
        Assert.Equal(CapabilityState.Of(keep), after);
        Assert.Equal(before, Capabilities.Read());
    }

    [Fact]
    public void All_five_sets_are_set()
    {
        Host.NeedsRoot();
        CapabilitySet two = CapabilitySet.Of(Capability.NetRaw, Capability.Kill), three = two.Add(Capability.Chown);
        var state = new CapabilityState(three, three, two, two, CapabilitySet.Of(Capability.Kill));
        Assert.Equal(state, OnThread(() =>
        {
            Capabilities.SetForCurrentThread(state);
            return Capabilities.Read();
        }));
    }

    [Fact]
    public void Capabilities_are_kept_across_a_change_of_user_on_request()
    {
        Host.NeedsRoot();
        (CapabilitySet kept, CapabilitySet lost) = OnThread(() =>
        {
            Capabilities.Keep(CapabilitySet.Of(Capability.Kill, Capability.Setuid, Capability.Setpcap));
            Capabilities.KeepAcrossUserChangeForCurrentThread();
            // The system call, unlike the library's function, changes this thread alone.
            Assert.False(Linux.Syscalls.RawSyscall.Invoke(Linux.Syscalls.Syscall.setresuid, 12345, 12345, 12345).IsError);
            return (Capabilities.Read().Permitted, Capabilities.Read().Effective);
        });
        ProcessHardening.IsDumpable = true; // the change of one thread's ids has taken it from the whole process
        Assert.Equal((CapabilitySet.Of(Capability.Kill, Capability.Setuid, Capability.Setpcap), CapabilitySet.None), (kept, lost));
    }

    [Fact]
    public void Securebits_lock()
    {
        Host.NeedsRoot();
        (Securebits bits, Errno refused) = OnThread(() =>
        {
            Capabilities.SetSecurebitsForCurrentThread(Securebits.CapabilitiesOnly);
            return (Capabilities.SecurebitsOfCurrentThread,
                Assert.Throws<LinuxException>(() => Capabilities.SetSecurebitsForCurrentThread(Securebits.None)).Errno);
        });
        Assert.Equal((Securebits.CapabilitiesOnly, Errno.EPERM), (bits, refused));
        Assert.Equal(Securebits.None, Capabilities.SecurebitsOfCurrentThread);
    }

    [Fact]
    public void File_capabilities_are_written_read_and_removed()
    {
        Host.NeedsRoot();
        using var directory = new TemporaryDirectory();
        string file = directory.Write("program", "x");
        Assert.Null(FileCapabilities.Read(file));
        foreach (FileCapabilities capabilities in new FileCapabilities[]
        {
            new(CapabilitySet.Of(Capability.NetRaw, Capability.CheckpointRestore), CapabilitySet.None, true),
            new(CapabilitySet.Of(Capability.Chown), CapabilitySet.Of(Capability.Kill), false, RootId: 100_000),
        })
        {
            capabilities.Write(file);
            Assert.Equal(capabilities, FileCapabilities.Read(file));
            if (Host.FindTool("getcap") is { } getcap)
                Assert.Contains(capabilities.RootId is null ? capabilities.ToString() : "cap_chown", Host.Run(getcap, "-n", file).Output);
        }

        FileCapabilities.Remove(file);
        FileCapabilities.Remove(file);
        Assert.Null(FileCapabilities.Read(file));
        Assert.Equal(Errno.ENOENT, Assert.Throws<LinuxException>(() => FileCapabilities.Read("/missing")).Errno);
    }

    [Fact]
    public void Settings_of_a_thread_read_back()
    {
        (Personality personality, CpuAffinity affinity, IoPriority priority, bool keyring) = OnThread(() =>
        {
            Personalities.SetForCurrentThread(Personality.AddressNoRandomize);
            CpuAffinity.Of(0).SetForCurrentThread();
            new IoPriority(IoPriorityClass.Idle, 0).SetForCurrentThread();
            new Scheduling(SchedulingPolicy.Batch) { Nice = 3 }.SetForCurrentThread();
            int? before = SessionKeyring.IdOfCurrentThread;
            SessionKeyring.JoinNewForCurrentThread();
            return (Personalities.OfCurrentThread, CpuAffinity.OfCurrentThread, IoPriority.OfCurrentThread,
                before != SessionKeyring.IdOfCurrentThread);
        });
        Assert.Equal((Personality.AddressNoRandomize, CpuAffinity.Of(0), IoPriorityClass.Idle, true),
            (personality, affinity, priority.Class, keyring));
        Assert.Equal(Errno.EINVAL, Assert.Throws<LinuxException>(() => OnThread(() =>
        {
            new Scheduling(SchedulingPolicy.Fifo) { Priority = 500 }.SetForCurrentThread();
            return 0;
        })).Errno);
        if (ProcessHardening.IsSpeculationDisabledForCurrentThread(Speculation.StoreBypass) == false)
        {
            Assert.True(OnThread(() =>
            {
                ProcessHardening.DisableSpeculationForCurrentThread(Speculation.StoreBypass);
                return ProcessHardening.IsSpeculationDisabledForCurrentThread(Speculation.StoreBypass);
            }));
        }
    }

    [Fact]
    public void A_process_is_read_as_it_is()
    {
        ProcessSecurity own = ProcessSecurity.Read(Environment.ProcessId);
        Assert.Equal((0, false, Capabilities.Read(Environment.ProcessId)), (own.SeccompMode, own.NoNewPrivileges, own.Capabilities));
        Assert.Contains("seccomp: none", own.ToString());
        Assert.Equal(Errno.ESRCH, Assert.Throws<LinuxException>(() => ProcessSecurity.Read(int.MaxValue)).Errno);
        Assert.Equal(Errno.ESRCH, Assert.Throws<LinuxException>(() => Capabilities.Read(int.MaxValue)).Errno);
    }
}
