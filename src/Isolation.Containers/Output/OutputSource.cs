namespace Isolation.Containers;

/// <summary>Which of its two output streams a program wrote to.</summary>
public enum OutputSource
{
    /// <summary>Standard output, descriptor 1.</summary>
    StandardOutput = 1,

    /// <summary>Standard error, descriptor 2.</summary>
    StandardError = 2,
}
