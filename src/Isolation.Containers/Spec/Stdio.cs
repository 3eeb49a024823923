using System.Runtime.InteropServices;
using System.Text;

namespace Isolation.Containers;

/// <summary>The source or target of a standard stream of the program.</summary>
/// <example><code>
/// builder = builder.WithStandardInput(Stdio.Text("a text")).WithStandardOutput(Stdio.File("/tmp/out", append: true))
///     .WithStandardError(Stdio.Null);
/// </code></example>
public abstract record Stdio
{
    /// <summary>This process's own stream.</summary>
    public static Stdio Inherit { get; } = new InheritStdio();

    /// <summary>/dev/null.</summary>
    public static Stdio Null { get; } = new NullStdio();

    /// <summary>A pipe whose other end is a stream of <see cref="Container"/>.</summary>
    /// <remarks>Asynchronous calls on the stream hold no thread while they wait, and are cancelled at once. A pipe that nobody reads holds
    /// 64 KiB; a program that writes more waits. So <see cref="ContainerBuilder.RunAsync"/>, which hands out no streams, refuses
    /// pipes.</remarks>
    public static Stdio Pipe { get; } = new PipeStdio();

    /// <summary>For input: a text, in UTF-8, and then the end of the file.</summary>
    public static Stdio Text(string text) => Bytes(Encoding.UTF8.GetBytes(text ?? throw new ArgumentNullException(nameof(text))));

    /// <summary>For input: these bytes, and then the end of the file.</summary>
    public static Stdio Bytes(ReadOnlyMemory<byte> content) => new ContentStdio(content);

    /// <summary>For input: what a stream gives until it ends. The stream stays the caller's, and is no longer read once the container has
    /// ended. If it throws, the container is killed, and <see cref="ContainerResult.StreamFailure"/> says why.</summary>
    public static Stdio From(Stream stream) => new SourceStdio(stream ?? throw new ArgumentNullException(nameof(stream)));

    /// <summary>For output: all is copied to a stream, which stays the caller's and is flushed at the end. <see
    /// cref="Container.WaitAsync"/> returns when that is done. Both outputs may go to one stream. If it throws, the container is
    /// killed, and <see cref="ContainerResult.StreamFailure"/> says why.</summary>
    public static Stdio To(Stream stream) => new SinkStdio(stream ?? throw new ArgumentNullException(nameof(stream)));

    /// <summary>For output: all is decoded from UTF-8 and copied to a writer, as to a stream.</summary>
    public static Stdio To(TextWriter writer) => new WriterStdio(writer ?? throw new ArgumentNullException(nameof(writer)));

    /// <summary>A file of the host.</summary>
    /// <param name="path">An absolute path, opened by this process; for output it is made where it is missing.</param>
    /// <param name="append">For output: whether to add to the file rather than to empty it.</param>
    public static Stdio File(string path, bool append = false) =>
        new FileStdio(path ?? throw new ArgumentNullException(nameof(path)), append);

    /// <summary>A descriptor that this process has open. The handle stays the caller's.</summary>
    public static Stdio Handle(SafeHandle handle) => new HandleStdio(handle ?? throw new ArgumentNullException(nameof(handle)));
}

internal sealed record InheritStdio : Stdio;

internal sealed record NullStdio : Stdio;

internal sealed record PipeStdio : Stdio;

internal sealed record ContentStdio(ReadOnlyMemory<byte> Content) : Stdio;

internal sealed record SourceStdio(Stream Stream) : Stdio;

internal sealed record SinkStdio(Stream Stream) : Stdio;

internal sealed record WriterStdio(TextWriter Writer) : Stdio;

internal sealed record FileStdio(string Path, bool Append) : Stdio;

internal sealed record HandleStdio(SafeHandle SafeHandle) : Stdio;
