namespace Isolation.Testing;

/// <summary>A directory that is removed at the end of a test. Readable by everybody.</summary>
public sealed class TemporaryDirectory : IDisposable
{
    public TemporaryDirectory()
    {
        Path = Directory.CreateTempSubdirectory("isolation-test-").FullName;
        File.SetUnixFileMode(Path, (UnixFileMode)0b111_101_101);
    }

    public string Path { get; }

    /// <summary>Makes a directory below it and returns its path.</summary>
    public string Make(string name) => Directory.CreateDirectory(System.IO.Path.Combine(Path, name)).FullName;

    /// <summary>Writes a file below it and returns its path.</summary>
    public string Write(string name, string content, UnixFileMode mode = (UnixFileMode)0b110_100_100)
    {
        string path = System.IO.Path.Combine(Path, name);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
        File.SetUnixFileMode(path, mode);
        return path;
    }

    /// <summary>Makes a symbolic link below it.</summary>
    public void Link(string name, string target) => File.CreateSymbolicLink(System.IO.Path.Combine(Path, name), target);

    public void Dispose()
    {
        // An overlay leaves a directory without any permission in its work directory.
        foreach (string directory in Directory.EnumerateDirectories(Path, "*",
            new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint }))
            File.SetUnixFileMode(directory, (UnixFileMode)0b111_101_101);
        Directory.Delete(Path, recursive: true);
    }
}
