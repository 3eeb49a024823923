using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.InteropServices;
using Isolation.Cgroups;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Launching;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Containers;

/// <summary>One thing that a preflight looked at.</summary>
/// <param name="Name">What was looked at.</param>
/// <param name="Works">Whether it can be used.</param>
/// <param name="Found">What was found.</param>
/// <param name="Remedy">What to do where it does not work; null where it works or nothing helps.</param>
public sealed record HostCheck(string Name, bool Works, string Found, string? Remedy);
