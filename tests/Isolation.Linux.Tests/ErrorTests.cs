namespace Isolation.Linux.Tests;

public class ErrorTests
{
    [Fact]
    public void Every_errno_has_a_name_and_a_meaning_of_its_own()
    {
        Errno[] all = [.. Enum.GetValues<Errno>().Where(e => e != Errno.None)];
        Assert.Equal(132, all.Length);
        Assert.All(all, e => Assert.NotEqual("unknown error", e.Meaning()));
        Assert.Equal(all.Length, all.Select(e => e.Meaning()).Distinct().Count());
        Assert.Equal("errno 4000", ((Errno)4000).Name());
        Assert.Equal("unknown error", ((Errno)4000).Meaning());
    }

    [Theory]
    [InlineData(false, false, "Cannot mount proc on \"/proc\": mount(2) failed with EPERM (operation not permitted).")]
    [InlineData(true, false,
        "Cannot mount proc on \"/proc\": mount(2) failed with EPERM (operation not permitted) at launch step 14 of 31, in the child.")]
    [InlineData(true, true, "Cannot mount proc on \"/proc\": mount(2) failed with EPERM (operation not permitted) at launch step 14 "
        + "of 31, in the child. Do this.")]
    public void The_text_says_what_on_what_by_which_call_why_where_and_what_to_do(bool step, bool hint, string expected)
    {
        var exception = new LinuxException("mount proc on", "\"/proc\"", "mount(2)", Errno.EPERM,
            step ? new StepPosition(14, 31, InChild: true) : null, hint ? "Do this." : null);
        Assert.Equal(expected, exception.Message);
    }

    [Fact]
    public void A_missing_feature_names_reason_and_remedy()
    {
        var exception = new KernelFeatureException("a user namespace", "user.max_user_namespaces is 0", "Set it.", new KernelVersion(3, 8));
        Assert.Equal("This host cannot provide a user namespace: user.max_user_namespaces is 0. It needs Linux 3.8; "
            + $"this is {KernelVersion.Running}. Set it.", exception.Message);
    }

    [Theory]
    [InlineData("6.1.0-28-amd64", 6, 1)]
    [InlineData("6.12", 6, 12)]
    [InlineData("5.15.167.4-microsoft", 5, 15)]
    public void Kernel_versions_are_read(string text, int major, int minor) =>
        Assert.Equal(new KernelVersion(major, minor), KernelVersion.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData("6")]
    [InlineData("six.one")]
    [InlineData("6.x")]
    public void What_is_no_version_is_refused(string text) => Assert.Throws<FormatException>(() => KernelVersion.Parse(text));

    [Theory]
    [InlineData(0x0000, 0, null, 0)]
    [InlineData(0x0700, 7, null, 7)]
    [InlineData(0x0009, null, 9, 137)]
    [InlineData(0x008b, null, 11, 139)]
    public void Wait_statuses_are_decoded(int status, int? code, int? signal, int shell)
    {
        ExitStatus decoded = ExitStatus.FromWaitStatus(status, null);
        Assert.Equal((code, signal, shell, (status & 0x80) != 0),
            (decoded.Code, (int?)decoded.Signal, decoded.ShellCode, decoded.CoreDumped));
    }

    [Fact]
    public void A_text_with_a_nul_is_refused_whole() =>
        Assert.Contains("a\\0b", Assert.Throws<ArgumentException>(() => new CString("a\0b")).Message, StringComparison.Ordinal);
}
