using Isolation.Linux.MachineCode;
using Isolation.Linux.Programs;

namespace Isolation.Linux.Launching;

/// <summary>The last sealed image that a launcher thread made. Launches of one plan mostly differ in nothing, not even in the numbers of
/// their descriptors: then it is used again. Sealed, so no container that saw it could have changed it;
/// one that an init leaves open to its container is made anew all the same.</summary>
internal sealed class SealedImageCache
{
    private byte[] _data = [], _scratch = [];
    private LaunchProgram? _program;
    private LinuxHandle? _file;

    internal LinuxHandle For(LaunchProgram launch, ProgramMemory memory, int reportDescriptor)
    {
        int size = memory.Bytes.Length;
        if (_scratch.Length < size)
            _scratch = new byte[size];
        Span<byte> data = _scratch.AsSpan(0, size);
        SealedImage.CopyData(data, memory, launch.Program, launch.Sealed.First, launch.Sealed.End, reportDescriptor);
        if (_file is not null && !launch.LeavesImage && ReferenceEquals(_program, launch) && data.SequenceEqual(_data.AsSpan(0, size)))
            return _file;
        _file?.Dispose();
        _file = null;
        _file = SealedImage.Create(launch.SealedHeader, data);
        _program = launch;
        (_data, _scratch) = (_scratch, _data);
        return _file;
    }
}
