using System.Diagnostics;
using Isolation.Fuzz;
using SharpFuzz;

// Every decoder of the family as a target of coverage-guided fuzzing: eng/fuzz.sh makes the copy that AFL++ follows.
// usage: Isolation.Fuzz --targets              their names
//        Isolation.Fuzz --seeds DIRECTORY      writes what is to be mutated and is no text: a directory per target
//        Isolation.Fuzz TARGET FILE|DIRECTORY...   runs inputs once, such as those of a finding
//        Isolation.Fuzz TARGET                 under afl-fuzz
switch (args)
{
    case ["--targets"]:
        Console.WriteLine(string.Join('\n', Targets.All.Keys));
        return 0;
    case ["--seeds", { } directory]:
        Targets.WriteSeeds(directory);
        return 0;
    case [{ } name] when Targets.All.TryGetValue(name, out Action<byte[]>? target):
        Fuzzer.OutOfProcess.Run(stream =>
        {
            using var memory = new MemoryStream();
            stream.CopyTo(memory);
            target(memory.ToArray());
        });
        return 0;
    case [{ } name, .. { Length: > 0 } paths] when Targets.All.TryGetValue(name, out Action<byte[]>? target):
        string[] files = [.. paths.SelectMany(p => Directory.Exists(p) ? Directory.GetFiles(p, "*", SearchOption.AllDirectories) : [p])
            .Order(StringComparer.Ordinal)];
        int failed = 0;
        foreach (string file in files)
        {
            long start = Stopwatch.GetTimestamp();
            try
            {
                target(File.ReadAllBytes(file));
            }
            catch (Exception e)
            {
                failed++;
                Console.WriteLine($"failed {name} {file}: {e}");
            }

            if (Stopwatch.GetElapsedTime(start) is var took && took > TimeSpan.FromSeconds(2))
                Console.WriteLine($"slow {name} {file}: {took.TotalSeconds:F1} s");
        }

        Console.WriteLine($"{name}: {files.Length - failed} inputs ran, {failed} failed");
        return failed == 0 ? 0 : 1;
    default:
        Console.Error.WriteLine("usage: Isolation.Fuzz --targets | --seeds DIRECTORY | TARGET [FILE|DIRECTORY...]; "
            + $"the targets are {string.Join(", ", Targets.All.Keys)}.");
        return 2;
}
