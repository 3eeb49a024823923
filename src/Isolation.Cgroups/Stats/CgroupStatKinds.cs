namespace Isolation.Cgroups;

/// <summary>What of a control group's statistics is read.</summary>
[Flags]
public enum CgroupStatKinds
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>CPU time and throttling.</summary>
    Cpu = 1 << 0,

    /// <summary>Memory and swap in use, peaks, events.</summary>
    Memory = 1 << 1,

    /// <summary><c>memory.stat</c>: memory by kind.</summary>
    MemoryDetail = 1 << 2,

    /// <summary><c>memory.numa_stat</c>: memory by kind and node.</summary>
    MemoryNuma = 1 << 3,

    /// <summary>Processes and threads.</summary>
    Pids = 1 << 4,

    /// <summary>Block I/O by device.</summary>
    Io = 1 << 5,

    /// <summary>Huge pages by size.</summary>
    Hugetlb = 1 << 6,

    /// <summary>RDMA handles and objects by device.</summary>
    Rdma = 1 << 7,

    /// <summary>Miscellaneous resources.</summary>
    Misc = 1 << 8,

    /// <summary>Device memory by region.</summary>
    Dmem = 1 << 9,

    /// <summary>Pressure on CPU, memory, I/O and interrupts. Version 2 only.</summary>
    Pressure = 1 << 10,

    /// <summary><c>cgroup.stat</c>: how many control groups are below.</summary>
    Cgroup = 1 << 11,

    /// <summary>What a person watches: CPU, memory, processes, I/O.</summary>
    Basic = Cpu | Memory | Pids | Io,

    /// <summary>All of it.</summary>
    All = (1 << 12) - 1,
}
