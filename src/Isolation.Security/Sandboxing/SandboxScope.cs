namespace Isolation.Security;

/// <summary>The threads that a restriction covers.</summary>
public enum SandboxScope
{
    /// <summary>None: it was not requested, or is not available.</summary>
    None,

    /// <summary>The calling thread, and threads and processes that it starts. Threads that were there before are as they were.</summary>
    CallingThread,

    /// <summary>Every thread of the process, and what they start.</summary>
    Process,
}
