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

    internal static async Task<int> RunAsync(string[] arguments)
    {
        try
        {
            return arguments.FirstOrDefault() switch
            {
                "compile" => await CompileAsync(Arguments.Parse(arguments[1..])),
                "explain" => await ExplainAsync(Arguments.Parse(arguments[1..])),
                "disasm" => await DisassembleAsync(Arguments.Parse(arguments[1..])),
                { } other => throw new UsageException($"\"{other}\" is no command of seccomp; they are compile, explain and disasm."),
                null => throw new UsageException("seccomp needs one of compile, explain and disasm."),
            };
        }
        catch (SeccompLimitException e)
        {
            await Console.Error.WriteLineAsync("isolation: " + e.Message);
            return Program.Failed;
        }
    }

    private static async Task<int> CompileAsync(Arguments arguments)
    {
        arguments.Require(1, "compile takes one profile.");
        SeccompFilter filter = arguments.ReadFilter();
        SeccompProgram program = filter.Compile();
        string unknown = filter.UnknownNames.IsEmpty ? "" : $"; not in the tables of Linux {SyscallTable.Version}: {string.Join(", ", filter.UnknownNames)}";
        if (arguments.Output is { } output)
            await WriteAsync(output, program.ToBytes());
        else
            await Console.Out.WriteAsync(program.ToString());
        await Console.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{program.Instructions.Length} instructions for {string.Join(", ", filter.Architectures)}{unknown}"));
        return 0;
    }

    private static async Task<int> ExplainAsync(Arguments arguments)
    {
        if (arguments.Words.Length is < 2 or > 8)
            throw new UsageException("explain takes a profile, a system call and up to six arguments.");
        SeccompFilter filter = arguments.ReadFilter();
        try
        {
            await Console.Out.WriteLineAsync(filter.Explain(arguments.Words[1], [.. arguments.Words[2..].Select(Word)]).ToString());
        }
        catch (ArgumentException e)
        {
            throw new UsageException(RunFlags.Reason(e));
        }

        return 0;
    }

    private static async Task<int> DisassembleAsync(Arguments arguments)
    {
        arguments.Require(1, "disasm takes one file with a raw program.");
        try
        {
            await Console.Out.WriteAsync(SeccompProgram.FromBytes(await File.ReadAllBytesAsync(arguments.Words[0])).ToString());
            return 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            throw new UsageException($"{arguments.Words[0]}: {RunFlags.Reason(e)}");
        }
    }

    private static async Task WriteAsync(string path, byte[] bytes)
    {
        try
        {
            await File.WriteAllBytesAsync(path, bytes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"The program cannot be written: {RunFlags.Reason(e)}");
        }
    }

    private static ulong Word(string text)
    {
        bool hexadecimal = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        if (!hexadecimal && long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long negative) && negative < 0)
            return (ulong)negative;
        return ulong.TryParse(hexadecimal ? text[2..] : text, hexadecimal ? NumberStyles.AllowHexSpecifier : NumberStyles.None, CultureInfo.InvariantCulture, out ulong word)
            ? word
            : throw new UsageException($"\"{text}\" is no number such as 40 or 0x5412.");
    }

    private sealed record Arguments(ImmutableArray<string> Words, ImmutableArray<SeccompArchitecture> Architectures, CapabilitySet? Capabilities, string? Output)
    {
        internal static Arguments Parse(string[] arguments)
        {
            var words = ImmutableArray.CreateBuilder<string>();
            var architectures = ImmutableArray.CreateBuilder<SeccompArchitecture>();
            CapabilitySet? capabilities = null;
            string? output = null;
            for (int i = 0; i < arguments.Length; i++)
            {
                (string name, string? inline) = RunFlags.SplitFlag(arguments[i]);
                string Value() => inline ?? (++i < arguments.Length ? arguments[i] : throw new UsageException($"The flag {name} needs a value."));
                switch (name)
                {
                    case "--arch":
                        string architecture = Value();
                        architectures.Add(s_architectures.TryGetValue(architecture.StartsWith("SCMP_ARCH_", StringComparison.Ordinal) ? architecture[10..] : architecture, out SeccompArchitecture known)
                            ? known : throw new UsageException($"\"{architecture}\" is none of {string.Join(", ", s_architectures.Keys)}."));
                        break;
                    case "--cap":
                        capabilities = (capabilities ?? CapabilitySet.None).Union(Capability(Value()));
                        break;
                    case "-o" or "--output":
                        output = Value();
                        break;
                    case { } flag when flag.StartsWith('-') && flag.Length > 1 && !char.IsAsciiDigit(flag[1]):
                        throw new UsageException($"There is no flag {flag}; there are --arch, --cap and -o.");
                    default:
                        words.Add(arguments[i]);
                        break;
                }
            }

            return new Arguments(words.ToImmutable(), architectures.Count == 0 ? [SeccompArchitectureOfHost] : [.. architectures.Distinct()], capabilities, output);
        }

        internal void Require(int words, string message)
        {
            if (Words.Length != words)
                throw new UsageException(message);
        }

        internal SeccompFilter ReadFilter() => SecurityOptions.ReadProfile(Words[0], new SeccompProfileHost { Architecture = Architectures[0], Architectures = Architectures, Capabilities = Capabilities ?? CapabilitySet.DockerDefault });

        private static SeccompArchitecture SeccompArchitectureOfHost => new SeccompProfileHost().Architecture;

        private static CapabilitySet Capability(string text)
        {
            try
            {
                return CapabilitySet.Parse(text);
            }
            catch (FormatException e)
            {
                throw new UsageException(e.Message);
            }
        }
    }
}
