namespace Isolation.Linux;

/// <summary>The size of a terminal's window. See ioctl_tty(2), <c>TIOCGWINSZ</c>.</summary>
/// <param name="Rows">Lines.</param>
/// <param name="Columns">Characters in a line.</param>
public readonly record struct TerminalSize(int Rows, int Columns);
