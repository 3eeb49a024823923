using System.Collections.Immutable;
using System.Globalization;
using Isolation.Security;

namespace Isolation.Launcher;

/// <summary><c>isolation seccomp compile|explain|disasm</c>: filters without a container, and without privileges.</summary>
internal static class SeccompCommand
{
    private static readonly Dictionary<string, SeccompArchitecture> s_architectures = new(StringComparer.OrdinalIgnoreCase)
    {
        ["x86_64"] = SeccompArchitecture.X64,
        ["amd64"] = SeccompArchitecture.X64,
        ["x64"] = SeccompArchitecture.X64,
        ["x86-64"] = SeccompArchitecture.X64,
        ["x32"] = SeccompArchitecture.X32,
        ["x86"] = SeccompArchitecture.X86,
        ["i386"] = SeccompArchitecture.X86,
        ["i686"] = SeccompArchitecture.X86,
        ["386"] = SeccompArchitecture.X86,
        ["arm64"] = SeccompArchitecture.Arm64,
        ["aarch64"] = SeccompArchitecture.Arm64,
        ["arm"] = SeccompArchitecture.Arm,
    };

    /// <summary>The flags for whom a profile is read.</summary>
    internal static readonly ImmutableArray<Flag> ProfileFlags =
    [
        new Flag<SeccompOptions>("--arch", "ARCHITECTURE", "architecture, such as x86_64 or arm64 (default: this machine's)", (o, v) =>
            o with { Architectures = o.Architectures.Add(ParseArchitecture(v)) })
        {
            Choices = [.. s_architectures.Keys],
        },
        new Flag<SeccompOptions>("--cap", "CAP", "capability that the profile is read for (default: docker's)", (o, v) =>
            o with { Capabilities = (o.Capabilities ?? CapabilitySet.None).Union(CapabilitySet.Parse(v)) }),
    ];

    internal static readonly ImmutableArray<Flag> CompileFlags =
    [
        .. ProfileFlags,
        new Flag<SeccompOptions>("-o --output", "FILE", "write the raw program there", (o, v) => o with { Output = v }),
    ];

    internal static async Task<int> CompileAsync(CommandLine line)
    {
        SeccompOptions options = line.Apply(new SeccompOptions());
        SeccompFilter filter = options.Read(line.Operands[0]);
        SeccompProgram program = filter.Compile();
        string unknown = filter.UnknownNames.IsEmpty
            ? ""
            : $"; not in the tables of Linux {SyscallTable.Version}: {SecurityOptions.UnknownNames(filter)}";
        if (options.Output is { } output)
            await WriteAsync(output, program.ToBytes());
        else
            await StandardStreams.Output.WriteAsync(program.ToString());
        Failure.Write(string.Create(CultureInfo.InvariantCulture,
            $"{program.Instructions.Length} instructions for {string.Join(", ", filter.Architectures)}{unknown}\n"));
        return 0;
    }

    internal static async Task<int> ExplainAsync(CommandLine line)
    {
        SeccompFilter filter = line.Apply(new SeccompOptions()).Read(line.Operands[0]);
        try
        {
            SeccompVerdict verdict = filter.Explain(line.Operands[1], [.. line.Operands.Skip(2).Select(Word)]);
            await StandardStreams.Output.WriteLineAsync(verdict.ToString());
        }
        catch (ArgumentException e)
        {
            throw new UsageException(Failure.Reason(e));
        }

        return 0;
    }

    internal static async Task<int> DisassembleAsync(CommandLine line)
    {
        try
        {
            await StandardStreams.Output.WriteAsync(SeccompProgram.FromBytes(await ReadAsync(line.Operands[0])).ToString());
            return 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            throw new UsageException($"{line.Operands[0]}: {Failure.Reason(e)}");
        }
    }

    /// <summary>A program's bytes, and one more of what is longer than a program can be.</summary>
    private static async Task<byte[]> ReadAsync(string path)
    {
        await using FileStream file = File.OpenRead(path);
        var bytes = new byte[(4096 * 8) + 1];
        return bytes[..await file.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false)];
    }

    private static async Task WriteAsync(string path, byte[] bytes)
    {
        try
        {
            await File.WriteAllBytesAsync(path, bytes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"The program cannot be written: {Failure.Reason(e)}");
        }
    }

    private static ulong Word(string text)
    {
        bool hexadecimal = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        if (!hexadecimal
            && long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long negative) && negative < 0)
            return (ulong)negative;
        return ulong.TryParse(hexadecimal ? text[2..] : text, hexadecimal ? NumberStyles.AllowHexSpecifier : NumberStyles.None,
            CultureInfo.InvariantCulture, out ulong word)
            ? word
            : throw new UsageException($"\"{text}\" is no number such as 40 or 0x5412.");
    }

    private static SeccompArchitecture ParseArchitecture(string text) =>
        s_architectures.TryGetValue(text.StartsWith("SCMP_ARCH_", StringComparison.Ordinal) ? text[10..]
            : text, out SeccompArchitecture known)
            ? known : throw new FormatException($"\"{text}\" is none of {string.Join(", ", s_architectures.Keys)}.");

    /// <summary>What the flags say.</summary>
    private sealed record SeccompOptions
    {
        internal ImmutableArray<SeccompArchitecture> Architectures { get; init; } = [];

        internal CapabilitySet? Capabilities { get; init; }

        internal string? Output { get; init; }

        internal SeccompFilter Read(string profile)
        {
            ImmutableArray<SeccompArchitecture> architectures = Architectures.IsEmpty ? [new SeccompProfileHost().Architecture]
                : [.. Architectures.Distinct()];
            return SecurityOptions.ReadProfile(profile, new SeccompProfileHost
            {
                Architecture = architectures[0],
                Architectures = architectures,
                Capabilities = Capabilities ?? CapabilitySet.DockerDefault,
            });
        }
    }
}
