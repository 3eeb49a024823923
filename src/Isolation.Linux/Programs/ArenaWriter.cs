using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Isolation.Linux.Programs;

/// <summary>Collects what the steps of a program point at, behind the steps: strings, structs, slots.</summary>
internal sealed class ArenaWriter(int start)
{
    private readonly List<byte> _bytes = [];
    private readonly Dictionary<string, int> _strings = [];
    private readonly Dictionary<DataArgument, int> _data = new(ReferenceEqualityComparer.Instance);
    private readonly List<(int At, Slot Slot)> _slotPointers = [];

    internal List<int> Relocations { get; } = [];

    internal Dictionary<Slot, int> Slots { get; } = [];

    internal int End => start + _bytes.Count;

    internal void CopyTo(byte[] image) => _bytes.CopyTo(image, start);

    /// <summary>Returns the word for an argument that stands at an offset of the image.</summary>
    internal ulong Word(StepArgument argument, int at)
    {
        if (argument is not WordArgument)
            Relocations.Add(at);
        return Target(argument);
    }

    /// <summary>Where a slot lies: inside data placed before, or in a cell of its own, preset to -1.</summary>
    internal int SlotOffset(Slot slot)
    {
        if (!Slots.TryGetValue(slot, out int offset))
            Slots[slot] = offset = Append([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        return offset;
    }

    /// <summary>Fills in the pointers to slots, once every slot has its place.</summary>
    internal void PointToSlots()
    {
        foreach ((int at, Slot slot) in _slotPointers)
        {
            int target = SlotOffset(slot); // may add a cell
            BinaryPrimitives.WriteUInt64LittleEndian(CollectionsMarshal.AsSpan(_bytes)[(at - start)..], (ulong)target);
        }
    }

    /// <summary>Places data that holds slots ahead of the first step that names one of them.</summary>
    internal void PlaceSlots(StepArgument argument)
    {
        if (argument is DataArgument data && HoldsSlots(data))
            DataOffset(data);
    }

    private static bool HoldsSlots(DataArgument data) =>
        !data.Slots.IsEmpty || data.Pointers.Any(p => p.Pointee is DataArgument inner && HoldsSlots(inner));

    private ulong Target(StepArgument argument) => argument switch
    {
        WordArgument word => word.Value,
        SlotArgument slot => (ulong)SlotOffset(slot.Slot),
        SlotAddressArgument slot => (ulong)SlotOffset(slot.Slot),
        DataArgument data => (ulong)DataOffset(data),
        _ => throw new System.Diagnostics.UnreachableException(),
    };

    private int DataOffset(DataArgument data)
    {
        if (_data.TryGetValue(data, out int known))
            return known;
        bool plain = data.Pointers.IsEmpty && data.Slots.IsEmpty;
        string key = plain ? Convert.ToHexString(data.Content.AsSpan()) : "";
        if (plain && _strings.TryGetValue(key, out known))
            return known;
        byte[] content = [.. data.Content];
        foreach ((int at, StepArgument pointee) in data.Pointers.Where(p => p.Pointee is not SlotAddressArgument))
            BinaryPrimitives.WriteUInt64LittleEndian(content.AsSpan(at), Target(pointee));
        int offset = Append(content);
        Relocations.AddRange(data.Pointers.Where(p => p.Pointee is not WordArgument).Select(p => offset + p.Offset));
        foreach ((int at, Slot slot) in data.Slots)
        {
            if (!Slots.TryAdd(slot, offset + at))
                throw new ArgumentException($"Slot {slot} lies in two places.");
        }

        foreach ((int at, StepArgument pointee) in data.Pointers)
        {
            if (pointee is SlotAddressArgument slot)
                _slotPointers.Add((offset + at, slot.Slot));
        }

        _data[data] = offset;
        if (plain)
            _strings[key] = offset;
        return offset;
    }

    private int Append(ReadOnlySpan<byte> content)
    {
        while (_bytes.Count % 8 != 0)
            _bytes.Add(0);
        int offset = End;
        _bytes.AddRange(content);
        return offset;
    }
}
