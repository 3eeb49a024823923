using System.Diagnostics;
using Isolation.Linux;
using Isolation.Linux.Launching;
using Isolation.Linux.Programs;
using Isolation.Namespaces;

namespace Isolation.Containers;

public sealed partial class ContainerProcess
{
    /// <summary>The container's place in the launch queue.</summary>
    private sealed class ContainerLaunch(ContainerProcess container) : LaunchRequest
    {
        private TimeSpan _begin;
        private Namespace? _net;
        private string _cgroupName = "";

        internal override LaunchProgram Program => container.Plan.Lowered.Launch;

        internal override int BrokenStep => container._brokenCall;

        /// <summary>The time by CLOCK_MONOTONIC, as the steps stamp it.</summary>
        internal static TimeSpan Now => TimeSpan.FromTicks((long)(Stopwatch.GetTimestamp() * ((double)TimeSpan.TicksPerSecond / Stopwatch.Frequency)));

        internal override void Prepare(ProgramMemory memory)
        {
            LaunchSlots slots = container.Plan.Slots;
            foreach ((Slot slot, System.Runtime.InteropServices.SafeHandle handle) in slots.Streams.Presets)
                memory.SlotValue(slot) = (int)handle.DangerousGetHandle();
            if (slots.PooledNet is { } pooled)
            {
                _net = container.Plan.Spec.NetworkPool!.Take();
                memory.SlotValue(pooled) = _net.Handle.Descriptor;
                _net.Handle.SetHandleAsInvalid(); // closed with the launch's other descriptors
            }

            if (slots.IdMapSource is { } map)
                memory.SlotValue(map) = container.Plan.IdMap.Handle.Descriptor;
            if (slots.Cgroup is { } cgroup)
            {
                cgroup.MakeRoom();
                _cgroupName = cgroup.Name.Choose(memory);
                // A given name may be another container's, until this one has made it.
                if (container.Plan.Spec.Name is null)
                    container._registration?.Write(_cgroupName);
            }

            container.TakeNetwork(memory);
            if (container.Plan.Spec.TimeSteps)
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
            container.ConnectNetwork(processId);
        }

        internal override void Undo(ProgramMemory memory)
        {
            container.ReleaseNetwork();
            container.Plan.Slots.Cgroup?.Undo(memory, _cgroupName);
            container._registration?.Erase();
            container.StopListening();
        }

        internal override void OnStarted(PidHandle process, ProgramMemory memory) => container.OnStarted(process, memory, _begin, _cgroupName);

        internal override void OnFailed(StepFailure failure)
        {
            LaunchPlan plan = container.Plan;
            (int entry, SyscallStep call) = plan.Lowered.Find(failure.Index);
            container._started.TrySetException(new LaunchException(plan, plan.Steps[entry], call.CallName, failure.Errno,
                plan.Entries[entry].Step.Hint?.Invoke(failure.Errno)));
        }

        internal override void OnFailed(Exception exception) => container._started.TrySetException(Explain(exception));

        private Exception Explain(Exception exception)
        {
            LaunchPlan plan = container.Plan;
            switch (exception)
            {
                case KilledWhileStartingException killed:
                    (int entry, SyscallStep call) = plan.Lowered.Find(killed.StepIndex);
                    return new LaunchException(plan, plan.Steps[entry], call.CallName, Errno.None,
                        $"The process was {killed.Status} meanwhile: for lack of memory, or by somebody.");
                case NetworkLaunchException refused:
                    int connecting = plan.Entries.ToList().FindIndex(e => e.Step.Action == refused.Action);
                    return new LaunchException(plan, plan.Steps[Math.Max(connecting, 0)], refused.Refusal.Call, refused.Refusal.Errno,
                        $"It could not {refused.Refusal.Action} {refused.Refusal.Subject}.{(refused.Refusal.Hint is { } hint ? " " + hint : "")}");
                case LinuxException { Call: "bpf(2)" } refused:
                    int devices = plan.Entries.ToList().FindIndex(e => e.Step.Action == LaunchPlanner.RestrictDevices);
                    return new LaunchException(plan, plan.Steps[devices], refused.Call, refused.Errno, refused.Hint);
                case LinuxException refused:
                    StepSide side = refused.Call is "clone3(2)" or "memfd_create(2)" ? StepSide.Parent : StepSide.Handshake;
                    int step = LastOf(plan, side);
                    return new LaunchException(plan, plan.Steps[step], refused.Call, refused.Errno, refused.Hint);
                default:
                    return exception;
            }
        }

        /// <summary>The step that is made up of no calls of its own: the clone is the last of the parent's, the handshake the only one.</summary>
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
