namespace Isolation.Security;

/// <summary>Answers a call that waits. Where it can answer at once it should return without waiting:
/// the next call is received after it.</summary>
public delegate ValueTask<SeccompReply> SeccompHandler(SeccompNotification call);
