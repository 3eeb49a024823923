using System.Runtime.InteropServices;
using System.Text;

namespace Isolation.Containers;

/// <summary>A descriptor of this process that the program gets, beyond the standard streams.</summary>
/// <example><code>
/// using SafeHandle log = File.OpenHandle("/var/log/job.log", FileMode.Append, FileAccess.Write);
/// builder = builder.AddDescriptor(log, 3); // the program finds it as descriptor 3
/// </code></example>
/// <param name="Handle">The handle, which stays the caller's.</param>
/// <param name="Target">The number in the program, 3 or more.</param>
public sealed record PassedDescriptor(SafeHandle Handle, int Target);
