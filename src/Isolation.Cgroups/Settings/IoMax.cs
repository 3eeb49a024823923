namespace Isolation.Cgroups;

/// <summary>Throttles of one block device, as in <c>io.max</c>. What is null stays as it is;
/// <see cref="CgroupLimit.Max"/> lifts a limit.</summary>
/// <example><code>
/// builder = builder.WithIoMax(DeviceNumber.FromPath("/dev/sda"), new IoMax { ReadBytesPerSecond = CgroupLimit.Parse("1048576") });
/// </code></example>
public sealed record IoMax
{
    /// <summary>Bytes read per second (<c>rbps</c>).</summary>
    public CgroupLimit? ReadBytesPerSecond { get; init; }

    /// <summary>Bytes written per second (<c>wbps</c>).</summary>
    public CgroupLimit? WriteBytesPerSecond { get; init; }

    /// <summary>Read operations per second (<c>riops</c>).</summary>
    public CgroupLimit? ReadOperationsPerSecond { get; init; }

    /// <summary>Write operations per second (<c>wiops</c>).</summary>
    public CgroupLimit? WriteOperationsPerSecond { get; init; }

    /// <summary>The kernel's form: <c>rbps=1048576 wiops=max</c>.</summary>
    public override string ToString() => string.Join(' ', new (string Key, CgroupLimit? Value)[]
    {
        ("rbps", ReadBytesPerSecond), ("wbps", WriteBytesPerSecond), ("riops", ReadOperationsPerSecond),
        ("wiops", WriteOperationsPerSecond),
    }.Where(p => p.Value is not null).Select(p => $"{p.Key}={p.Value}"));

    internal static IoMax Parse(string limits)
    {
        var result = new IoMax();
        foreach (string part in limits.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] pair = part.Split('=', 2);
            CgroupLimit limit = pair.Length == 2 ? CgroupLimit.Parse(pair[1]) : throw new FormatException($"\"{part}\" is not KEY=LIMIT.");
            result = pair[0] switch
            {
                "rbps" => result with { ReadBytesPerSecond = limit },
                "wbps" => result with { WriteBytesPerSecond = limit },
                "riops" => result with { ReadOperationsPerSecond = limit },
                "wiops" => result with { WriteOperationsPerSecond = limit },
                _ => throw new FormatException($"\"{pair[0]}\" is none of rbps, wbps, riops and wiops."),
            };
        }

        return result;
    }
}
