using System.Text;

namespace Isolation.Containers;

/// <summary>A value that a program reads from a file in memory, <c>/run/secrets/NAME</c>. It is in no argument, environment variable,
/// plan, spec, log or exception.</summary>
/// <remarks>The file is on a tmpfs of the container's own, mode 0400, and owned by the program's user. Memory of a tmpfs may be swapped
/// out (tmpfs(5)), and a process with <c>CAP_SYS_PTRACE</c> over the container can read it.</remarks>
/// <example><code>builder = builder.AddSecret(new Secret("token", "s3cret")); // the program reads /run/secrets/token</code></example>
public sealed class Secret
{
    /// <summary>Initialises a secret from bytes.</summary>
    /// <param name="name">The name of the file: letters, digits, <c>.</c>, <c>_</c> and <c>-</c>; not <c>.</c> or <c>..</c>.</param>
    /// <param name="value">What the file holds. The array stays the caller's, who may overwrite it once the container has started.</param>
    /// <exception cref="ArgumentException">The name is not such a name.</exception>
    public Secret(string name, ReadOnlyMemory<byte> value)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (name is "." or ".." || name.Length > 255 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-'))
            throw new ArgumentException($"\"{name}\" is no name of a secret: letters, digits, ., _ and -.", nameof(name));
        (Name, Value) = (name, value);
    }

    /// <summary>Initialises a secret from a text, in UTF-8.</summary>
    /// <inheritdoc cref="Secret(string, ReadOnlyMemory{byte})"/>
    public Secret(string name, string value) : this(name, Encoding.UTF8.GetBytes(value ?? throw new ArgumentNullException(nameof(value))))
    {
    }

    /// <summary>The name of the file.</summary>
    public string Name { get; }

    internal ReadOnlyMemory<byte> Value { get; }

    /// <summary>The name alone.</summary>
    public override string ToString() => Name;
}
