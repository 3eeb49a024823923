namespace Isolation.Net.TrafficControl;

/// <summary>Four bytes of a packet that must have a value: <c>match u32 VALUE MASK at OFFSET</c>.</summary>
/// <param name="Value">The value, the most significant byte first, as in the packet.</param>
/// <param name="Mask">Which bits count.</param>
/// <param name="Offset">Where they stand, in bytes from the network header; a multiple of 4.</param>
public readonly record struct U32Match(uint Value, uint Mask, int Offset);
