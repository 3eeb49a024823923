using System.Text;

namespace Isolation.Arm64.Tests;

/// <summary>An initramfs in cpio's newc format.</summary>
internal sealed class CpioArchive
{
    private readonly MemoryStream _stream = new();
    private int _inode = 1;

    internal void Add(string name, int mode, byte[]? content = null)
    {
        content ??= [];
        int[] fields = [_inode++, mode, 0, 0, 1, 0, content.Length, 0, 0, 0, 0, name.Length + 1, 0];
        Write(Encoding.ASCII.GetBytes("070701" + string.Concat(fields.Select(f => f.ToString("x8"))) + name + "\0"));
        Write(content);
    }

    internal byte[] Close()
    {
        Add("TRAILER!!!", 0);
        return _stream.ToArray();
    }

    private void Write(byte[] bytes)
    {
        _stream.Write(bytes);
        while (_stream.Length % 4 != 0)
            _stream.WriteByte(0);
    }
}
