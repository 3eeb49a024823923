using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Linux.Syscalls;

namespace Isolation.Testing.Victim;

/// <summary>Is short of descriptors or threads for a while, and has enough again.</summary>
internal static class ShortageVictim
{
    private const int RLIMIT_NPROC = 6, RLIMIT_NOFILE = 7;

    private static readonly TimeSpan s_soon = TimeSpan.FromSeconds(10);
    private static readonly ContainerBuilder s_builder = new ContainerBuilder(Rootfs.Host).WithCommand("/bin/true")
        .WithCgroup(CgroupUse.SharedWithParent);

    internal static async Task<int> RunAsync(string what)
    {
        LoadEverything(); // what the runtime cannot open is no error of a launch
        switch (what)
        {
            case "--no-descriptor":
                // From the first start on, that of everything that is started once included.
                for (int more = 0; more < 40; more++)
                    await TryAsync(() => LeaveDescriptors(more), () => Limit(RLIMIT_NOFILE, 4096));
                break;
            case "--no-thread":
                await TryAsync(() => Limit(RLIMIT_NPROC, 1), () => Limit(RLIMIT_NPROC, 4000));
                break;
            case "--thread-refused":
                Limit(RLIMIT_NPROC, 1);
                string said = "started";
                try
                {
                    s_builder.Start();
                }
                catch (LinuxException e)
                {
                    said = e.Message;
                }

                Limit(RLIMIT_NPROC, 4000); // the console has a thread, too
                Console.WriteLine(said);

                return 0;
            case "--type-initializers":
                return RunTypeInitializers();
            default:
                await FillAgainAsync();
                break;
        }

        ContainerResult last = await s_builder.RunAsync().WaitAsync(s_soon);
        Console.WriteLine(last.Status.Code == 0 ? "ok" : last.ToString());
        return 0;
    }

    /// <summary>What is refused in need must neither end the process nor hang.</summary>
    private static async Task TryAsync(Action shorten, Action restore)
    {
        Container? process = null;
        shorten();
        try
        {
            process = s_builder.Start();
            await process.WaitAsync().WaitAsync(s_soon);
        }
        catch (LinuxException)
        {
            // refused
        }

        restore();
        if (process is null)
            return;
        await process.WaitAsync().WaitAsync(s_soon);
        await process.DisposeAsync().AsTask().WaitAsync(s_soon);
    }

    private static async Task FillAgainAsync()
    {
        using var pool = new NetworkNamespacePool(4);
        LeaveDescriptors(0);
        while (pool.Count > 0)
            pool.Take().Dispose();
        Thread.Sleep(300); // a timer would need a thread of the runtime's, which needs a pipe
        Limit(RLIMIT_NOFILE, 4096);
        for (int i = 0; i < 500 && pool.Count < 4; i++)
            await Task.Delay(20);
        if (pool.Count < 4)
            Console.WriteLine($"only {pool.Count} are ready");
    }

    /// <summary>What a type initializer throws, it throws for the rest of the process: none may need a descriptor.</summary>
    private static int RunTypeInitializers()
    {
        Type[] types = [.. LoadEverything().Where(a => a.GetName().Name!.StartsWith("Isolation", StringComparison.Ordinal))
            .SelectMany(a => a.GetTypes()).Where(t => !t.ContainsGenericParameters && t.TypeInitializer is not null)];
        var failed = new List<string>();
        Limit(RLIMIT_NOFILE, 0);
        foreach (Type type in types)
        {
            try
            {
                RuntimeHelpers.RunClassConstructor(type.TypeHandle);
            }
            catch (TypeInitializationException e)
            {
                failed.Add($"{type}: {e.InnerException}");
            }
        }

        Limit(RLIMIT_NOFILE, 4096);
        Console.WriteLine(types.Length);
        foreach (string line in failed)
            Console.WriteLine(line);
        return failed.Count;
    }

    /// <summary>The assemblies that this program refers to, and those that they refer to: the runtime opens each at its first
    /// use.</summary>
    private static HashSet<Assembly> LoadEverything()
    {
        var loaded = new HashSet<Assembly>();
        var next = new Queue<Assembly>([typeof(ShortageVictim).Assembly]);
        while (next.TryDequeue(out Assembly? assembly))
        {
            if (!loaded.Add(assembly))
                continue;
            foreach (AssemblyName name in assembly.GetReferencedAssemblies())
                next.Enqueue(Assembly.Load(name));
        }

        return loaded;
    }

    /// <summary>A descriptor above the limit stays open, and each below it is taken: whoever started this may have left it some
    /// with high numbers.</summary>
    private static void LeaveDescriptors(int count)
    {
        HashSet<int> taken = [.. Directory.EnumerateFileSystemEntries("/proc/self/fd")
            .Select(f => int.Parse(Path.GetFileName(f), System.Globalization.CultureInfo.InvariantCulture))];
        // The one that reads the directory is closed again.
        taken.RemoveWhere(d => RawSyscall.Invoke(Syscall.fcntl, (nuint)d, 1 /* F_GETFD */).IsError);
        int limit = 0;
        for (int free = 0; free < count || taken.Contains(limit); limit++)
            free += taken.Contains(limit) ? 0 : 1;
        Limit(RLIMIT_NOFILE, limit);
    }

    private static void Limit(int resource, int soft)
    {
        // struct rlimit64 { u64 rlim_cur, rlim_max; }; the hard one stays.
        nint limit = Marshal.AllocHGlobal(16);
        RawSyscall.Invoke(Syscall.prlimit64, 0, (nuint)resource, 0, (nuint)limit);
        Marshal.WriteInt64(limit, soft);
        RawSyscall.Invoke(Syscall.prlimit64, 0, (nuint)resource, (nuint)limit, 0);
        Marshal.FreeHGlobal(limit);
    }
}
