using Isolation.Linux;

namespace Isolation.Security;

/// <summary>Where calls with <see cref="SeccompAction.UserNotify"/> wait for an answer.
/// Once it is closed they fail with <c>ENOSYS</c>.</summary>
public sealed class SeccompListener : LinuxHandle
{
    internal SeccompListener(int descriptor) : base(descriptor)
    {
    }
}
