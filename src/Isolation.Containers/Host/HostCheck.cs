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

/// <summary>The result of one check of the host.</summary>
/// <param name="Name">The feature that was checked.</param>
/// <param name="Works">Whether it can be used.</param>
/// <param name="Found">What was found.</param>
/// <param name="Remedy">The remedy where it does not work; null where it works or there is none.</param>
public sealed record HostCheck(string Name, bool Works, string Found, string? Remedy);
