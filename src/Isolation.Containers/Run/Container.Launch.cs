using System.Diagnostics;
using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Launching;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;

namespace Isolation.Containers;

public sealed partial class Container
{
    /// <summary>The container's place in the launch queue.</summary>
    internal sealed class ContainerLaunch(Container container) : LaunchRequest
    {
        private readonly List<(Slot Slot, int Descriptor)> _presets = [], _given = [];
        private TimeSpan _begin;
        private Namespace? _net;
        private string _cgroupName = "";

        internal override LaunchProgram Program => container.Plan.Lowered.Launch;

        /// <summary>A container that may run for a short time only must not take a long one to start.</summary>
        internal override TimeSpan Limit => container.Plan.Spec.Timeout is { } timeout && timeout < base.Limit
            ? TimeSpan.FromSeconds(Math.Max(timeout.TotalSeconds, 10)) : base.Limit;

        internal override int BrokenStep => container._brokenCall;

        /// <summary>The time by CLOCK_MONOTONIC, as the steps stamp it.</summary>
        internal static TimeSpan Now =>
            TimeSpan.FromTicks((long)(Stopwatch.GetTimestamp() * ((double)TimeSpan.TicksPerSecond / Stopwatch.Frequency)));

        /// <summary>Before the launch, on the caller's thread: takes the caller's handles, which may be disposed before the launch is made,
        /// a scope to put the container in, and a place at the reaper.</summary>
        /// <exception cref="ObjectDisposedException">One is closed already.</exception>
        internal void Reserve()
        {
            try
            {
                foreach ((Slot slot, System.Runtime.InteropServices.SafeHandle handle) in container.Plan.Slots.Presets)
                    _presets.Add((slot, Held.Hold(handle)));
                foreach ((Slot slot, int stream, System.Runtime.InteropServices.SafeHandle? handle) in container.Plan.Slots.Streams.Given)
                    _given.Add((slot, handle is null ? stream : Held.Hold(handle)));
                container.Plan.Slots.Cgroup?.TakePlace();
                container.RegisterCgroup();
            }
            catch
            {
                Held.Dispose();
                throw;
            }
        }

        /// <summary>Where the launch is not even begun.</summary>
        internal void Unreserve()
        {
            Held.Dispose();
            container.UnregisterCgroup();
        }

        internal override void Prepare(ProgramMemory memory)
        {
            LaunchSlots slots = container.Plan.Slots;
            foreach ((Slot slot, int descriptor) in _presets)
                memory.SlotValue(slot) = descriptor;
            foreach ((Slot slot, int descriptor) in _given.Where(g => memory.HasSlot(g.Slot)))
                memory.SlotValue(slot) = FileSyscalls.IsAnonymousPipe(descriptor) ? descriptor : -1;
            if (slots.PooledNet is { } pooled)
            {
                _net = container.Plan.Asked.NetworkPool!.Take();
                memory.SlotValue(pooled) = _net.Handle.TakeDescriptor(); // closed with the launch's other descriptors
            }

            if (slots.IdMapSource is { } map)
                memory.SlotValue(map) = Held.Hold(container.Plan.IdMap.Handle);
            if (slots.Cgroup is { } cgroup)
            {
                cgroup.MakeRoom();
                _cgroupName = cgroup.Name.Choose(memory);
                // A given name may be another container's, until this one has made it; until then nobody in it is killed.
                if (container.Plan.Spec.Name is null)
                    container._registration?.Write(_cgroupName);
                else if (!cgroup.IsThere(_cgroupName))
                    container._registration?.WriteName(_cgroupName);
            }

            container.TakeNetwork(memory);
            if (container.Plan.Asked.TimeSteps)
                _begin = Now;
        }

        internal override void BeforeClone(ProgramMemory memory)
        {
            if (container.Plan.Spec.Name is not null)
                container._registration?.Write(_cgroupName);
            if (container.Plan.DeviceProgram is { } devices)
                devices.Attach(memory.SlotValue(container.Plan.Slots.Cgroup!.UnifiedDirectory));
            container.ListenForCalls(memory);
        }

        internal override void Serve(int processId)
        {
            base.Serve(processId);
            if (Program.Connection is null)
                container.ConnectNetwork(processId);
        }

        internal override void Connect(int processId) => container.ConnectNetwork(processId);

        internal override void OnInit(PidHandle init) => container._init = init;

        internal override void Undo(ProgramMemory memory)
        {
            // Each is undone whatever becomes of the others.
            container.ReleaseNetwork();
            try
            {
                container.Plan.Slots.Cgroup?.Undo(memory, _cgroupName);
                container.UnregisterCgroup();
            }
            finally
            {
                container.StopListening();
            }
        }

        internal override void OnStarted(PidHandle process, ProgramMemory memory) =>
            container.OnStarted(process, memory, _begin, _cgroupName);

        internal override void OnFailed(StepFailure failure)
        {
            container.UnregisterCgroup();
            LaunchPlan plan = container.Plan;
            (int entry, SyscallStep call) = plan.Lowered.Find(failure.Index);
            container.FailStart(new LaunchException(plan, plan.Steps[entry], call.CallName, failure.Errno,
                plan.Entries[entry].Step.HintFor(call, failure.Errno) ?? MemoryHint(plan, failure.Errno)));
        }

        internal override void OnFailed(Exception exception)
        {
            container.UnregisterCgroup(); // where nothing was to be undone, that is left
            Exception told = exception;
            try
            {
                told = Explain(exception);
            }
            finally
            {
                container.FailStart(told);
            }
        }

        /// <summary>Any call of the set-up may be the one that the container's own limit leaves no memory for.</summary>
        private static string? MemoryHint(LaunchPlan plan, Errno errno) => errno == Errno.ENOMEM
            && plan.Spec.Resources["memory.max"] is { } limit and not "max"
            ? $"The container's own limit of memory, {ByteSize.Parse(limit).ToHumanString()}, may be too small for its start."
            : null;

        private Exception Explain(Exception exception)
        {
            LaunchPlan plan = container.Plan;
            switch (exception)
            {
                case KilledWhileStartingException killed:
                    (int entry, SyscallStep call) = plan.Lowered.Find(killed.StepIndex);
                    return killed.Limit is { } limit
                        ? new LaunchException(plan, plan.Steps[entry], call.CallName, Errno.ETIMEDOUT,
                            string.Create(CultureInfo.InvariantCulture, $"The start had not ended after {limit.TotalSeconds:0.#} s."))
                        : new LaunchException(plan, plan.Steps[entry], call.CallName, Errno.None,
                            MemoryHint(plan, Errno.ENOMEM) is { } tooLittle && killed.Status.Signal == Signal.SIGKILL
                                ? $"The process was {killed.Status} meanwhile. {tooLittle}"
                                : $"The process was {killed.Status} meanwhile: for lack of memory, or by somebody.");
                case NetworkLaunchException refused:
                    int connecting = plan.Entries.ToList().FindIndex(e => e.Step.Action == refused.Action);
                    return new LaunchException(plan, plan.Steps[Math.Max(connecting, 0)], refused.Refusal.Call, refused.Refusal.Errno,
                        $"It could not {refused.Refusal.Action} {refused.Refusal.Subject}."
                            + $"{(refused.Refusal.Remedy is { } hint ? " " + hint : "")}");
                case LinuxException { Call: "bpf(2)" } refused:
                    int devices = plan.Entries.ToList().FindIndex(e => e.Step.Action == LaunchPlanner.RestrictDevices);
                    return new LaunchException(plan, plan.Steps[devices], refused.Call, refused.Errno, refused.Remedy);
                case LinuxException refused:
                    StepSide side = refused.Call is "clone3(2)" or "memfd_create(2)" ? StepSide.Parent : StepSide.Handshake;
                    int step = LastOf(plan, side);
                    return new LaunchException(plan, plan.Steps[step], refused.Call, refused.Errno, refused.Remedy);
                default:
                    return exception;
            }
        }

        /// <summary>The step that is made up of no calls of its own: the clone is the last of the parent's, the handshake the only
        /// one.</summary>
        private static int LastOf(LaunchPlan plan, StepSide side)
        {
            for (int i = plan.Entries.Length - 1; i >= 0; i--)
            {
                if (plan.Entries[i].Side == side)
                    return i;
            }

            return LastOf(plan, StepSide.Parent);
        }
    }
}
