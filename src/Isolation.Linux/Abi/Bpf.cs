namespace Isolation.Linux.Abi;

/// <summary>Constants of linux/bpf.h and linux/bpf_common.h: what programs that decide on devices need.</summary>
internal static class Bpf
{
    internal const uint BPF_PROG_LOAD = 5;
    internal const uint BPF_PROG_ATTACH = 8;
    internal const uint BPF_PROG_DETACH = 9;
    internal const uint BPF_PROG_GET_FD_BY_ID = 13;
    internal const uint BPF_PROG_QUERY = 16;

    internal const uint BPF_PROG_TYPE_CGROUP_DEVICE = 15;
    internal const uint BPF_CGROUP_DEVICE = 6;
    internal const uint BPF_F_ALLOW_MULTI = 2;
    internal const uint BPF_F_REPLACE = 4;

    internal const uint BPF_DEVCG_ACC_MKNOD = 1;
    internal const uint BPF_DEVCG_ACC_READ = 2;
    internal const uint BPF_DEVCG_ACC_WRITE = 4;
    internal const uint BPF_DEVCG_DEV_BLOCK = 1;
    internal const uint BPF_DEVCG_DEV_CHAR = 2;

    // Instruction classes, sizes, modes and operations.
    internal const byte BPF_LDX = 0x01;
    internal const byte BPF_JMP = 0x05;
    internal const byte BPF_JMP32 = 0x06;
    internal const byte BPF_ALU = 0x04;
    internal const byte BPF_ALU64 = 0x07;
    internal const byte BPF_W = 0x00;
    internal const byte BPF_MEM = 0x60;
    internal const byte BPF_K = 0x00;
    internal const byte BPF_X = 0x08;
    internal const byte BPF_AND = 0x50;
    internal const byte BPF_RSH = 0x70;
    internal const byte BPF_MOV = 0xb0;
    internal const byte BPF_JEQ = 0x10;
    internal const byte BPF_JNE = 0x50;
    internal const byte BPF_EXIT = 0x90;
}
