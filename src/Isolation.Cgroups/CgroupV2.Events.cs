namespace Isolation.Cgroups;

public sealed partial class CgroupV2
{
    private protected override EventFile OpenEvents(string file) => EventFile.Open(_directory, file);
}
