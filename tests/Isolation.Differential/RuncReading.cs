using System.Text.Json;
using Isolation.Security;

namespace Isolation.Differential;

/// <summary>A profile as runc reads it: <c>SetupSeccomp</c> and <c>matchCall</c> of runc 1.1 to 1.4,
/// which hand it to libseccomp rule by rule.</summary>
/// <remarks>A rule with the default action is skipped, as is a name that libseccomp does not know. Conditions of which two are on one
/// argument become a rule each. The machine's own architecture is in every filter; those of the profile are added. Before the filter that
/// libseccomp makes, runc puts its own: <c>ENOSYS</c> for numbers above the highest that libseccomp has for a name of the profile
/// (<c>findLastSyscalls</c> of patchbpf).</remarks>
internal sealed class RuncReading
{
    private const uint X32Bit = 0x40000000;

    private readonly SeccompProgram _program;
    private readonly Dictionary<SeccompArchitecture, uint> _last = [];

    private RuncReading(SeccompProgram program) => _program = program;

    internal SeccompAction Evaluate(SeccompCall call) => _last.TryGetValue(Mode(call), out uint last) && call.Number > last
        ? SeccompAction.Errno(Linux.Errno.ENOSYS)
        : _program.Evaluate(call);

    // On x86-64 bit 30 of the number tells x32.
    private static SeccompArchitecture Mode(SeccompCall call) => call.Audit != SeccompCall.Of(SeccompArchitecture.X64, 0).Audit
        ? call.Architecture!.Value
        : (call.Number & X32Bit) != 0 ? SeccompArchitecture.X32 : SeccompArchitecture.X64;

    // The values of seccomp.h, which are those of the kernel's answers.
    internal static RuncReading Compile(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        JsonElement profile = document.RootElement;
        uint defaultAction = Action(profile, "defaultAction", "defaultErrnoRet");
        using var filter = new LibseccompFilter(defaultAction);
        foreach (JsonElement architecture in profile.GetProperty("architectures").EnumerateArray())
            filter.AddArchitecture(architecture.GetString()!);
        foreach (JsonElement entry in profile.GetProperty("syscalls").EnumerateArray())
        {
            uint action = Action(entry, "action", "errnoRet");
            foreach (JsonElement name in entry.GetProperty("names").EnumerateArray())
                MatchCall(filter, defaultAction, action, name.GetString()!, entry);
        }

        var reading = new RuncReading(filter.Export());
        if (profile.GetProperty("defaultAction").GetString() is not ("SCMP_ACT_ALLOW" or "SCMP_ACT_LOG" or "SCMP_ACT_TRACE"))
            reading.FindLast(profile);
        return reading;
    }

    private void FindLast(JsonElement profile)
    {
        string[] names = [.. profile.GetProperty("syscalls").EnumerateArray()
            .SelectMany(e => e.GetProperty("names").EnumerateArray()).Select(n => n.GetString()!)];
        foreach (JsonElement element in profile.GetProperty("architectures").EnumerateArray())
        {
            SeccompArchitecture architecture = SeccompArchitectures.FromOciName(element.GetString()!)!.Value;
            // Below 0 are the numbers of calls that the architecture has not.
            int last = names.Select(n => LibseccompFilter.Resolve(architecture, n)).DefaultIfEmpty().Max();
            if (last > 0)
                _last.Add(architecture, (uint)last);
        }
    }

    private static void MatchCall(LibseccompFilter filter, uint defaultAction, uint action, string name, JsonElement entry)
    {
        if (action == defaultAction || LibseccompFilter.Resolve(name) is not { } number)
            return;
        LibseccompCondition[] conditions = entry.TryGetProperty("args", out JsonElement args)
            ? [.. args.EnumerateArray().Select(Condition)]
            : [];
        if (conditions.Select(c => c.Argument).Distinct().Count() == conditions.Length)
        {
            filter.Add(action, number, conditions);
            return;
        }

        foreach (LibseccompCondition condition in conditions)
            filter.Add(action, number, condition);
    }

    private static LibseccompCondition Condition(JsonElement arg) => new(arg.GetProperty("index").GetUInt32(),
        arg.GetProperty("op").GetString()!, arg.GetProperty("value").GetUInt64(),
        arg.TryGetProperty("valueTwo", out JsonElement second) ? second.GetUInt64() : 0);

    private static uint Action(JsonElement element, string property, string errnoProperty)
    {
        uint data = element.TryGetProperty(errnoProperty, out JsonElement errno) ? errno.GetUInt32() : 1; // EPERM
        return element.GetProperty(property).GetString() switch
        {
            "SCMP_ACT_KILL" or "SCMP_ACT_KILL_THREAD" => 0,
            "SCMP_ACT_KILL_PROCESS" => 0x80000000,
            "SCMP_ACT_TRAP" => 0x00030000,
            "SCMP_ACT_ERRNO" => 0x00050000 | data,
            "SCMP_ACT_TRACE" => 0x7ff00000 | data,
            "SCMP_ACT_LOG" => 0x7ffc0000,
            "SCMP_ACT_ALLOW" => 0x7fff0000,
            "SCMP_ACT_NOTIFY" => 0x7fc00000,
            var other => throw new InvalidOperationException(other),
        };
    }
}
