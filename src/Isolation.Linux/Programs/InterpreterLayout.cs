namespace Isolation.Linux.Programs;

/// <summary>Where things lie in a program's memory: the contract between the writer, the machine code and the launcher.</summary>
/// <remarks>A program begins with the context, then <c>struct clone_args</c>, then the steps, then the arena.</remarks>
internal static class InterpreterLayout
{
    // Context.
    internal const int CloneNumber = 0;       // u64: clone3 or clone
    internal const int CloneArguments = 8;    // u64[5]
    internal const int FirstStep = 48;        // address of the first step
    internal const int EndOfSteps = 56;       // address behind the last step
    internal const int FailedStep = 64;       // i32: index of the failed step, preset to -1
    internal const int FailedErrno = 68;      // i32: its errno
    internal const int ReportDescriptor = 72; // i64: pipe that gets the 8 bytes above, or -1
    internal const int SavedMask = 80;        // the caller's signal mask
    internal const int FullMask = 88;         // all ones
    internal const int Progress = 96;         // address of the step being run
    internal const int ChildId = 104;         // i32: CLONE_PARENT_SETTID
    internal const int PidDescriptor = 112;   // i32: CLONE_PIDFD
    internal const int Repeated = 124;        // i32: how often calls have been repeated
    internal const int ContextSize = 128;

    internal const int CloneArgs = ContextSize;
    internal const int CloneArgsSize = 88;
    internal const int Steps = 224;

    // Step.
    internal const int StepSize = 64;
    internal const int StepNumber = 0;            // u32
    internal const int StepSkipOnSuccess = 4;     // i8
    internal const int StepSkipOnTolerated = 5;   // i8
    internal const int StepErrno1 = 6;            // u8, 0 = none
    internal const int StepErrno2 = 7;            // u8, 0 = none
    internal const int StepArguments = 8;         // u64[6]
    internal const int StepResult = 56;           // u32: offset from the context, 0 = none
    internal const int StepFlags = 60;            // u32: bit i = argument i is the address of a slot; rules below

    internal const int ZeroFailsBit = 8;
    internal const int NonzeroFailsBit = 9;
    internal const int ZeroContinuesBit = 10;
    internal const int RepeatsBit = 11;
    internal const int ReadsNumberBit = 13;
    internal const int EqualSkipsBit = 14;
    internal const int ToleratesAllBit = 15;
    internal const int Errno3Byte = StepFlags + 3; // u8, 0 = none: the flag word's top byte

    /// <summary>This bit of <see cref="Repeated"/> ends all repeating: some milliseconds at most, however long somebody goes on to
    /// disturb.</summary>
    internal const int LastRepeatBit = 13;

    /// <summary>A number that no kernel has: a step with it fails with ENOSYS, under a filter too that answers so for newer calls.
    /// For fault injection.</summary>
    internal const uint NoSuchSyscall = 0xfff0;
}
