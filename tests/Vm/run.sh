#!/usr/bin/env bash
# Runs PAYLOAD/run as root in the test machine (Debian's kernel, emulated; control groups of version 2).
# Its output is ours, its exit code too; 125: the machine failed.
# usage: tests/Vm/run.sh [--kernel 6.12|6.1] [--min|--v1|--systemd|--selinux] PAYLOAD
#   --kernel   Debian trixie's (the default) or bookworm's
#   --min      a shell script as process 1: the quickest        --systemd  systemd and AppArmor (the default)
#   --v1       as --min, with control groups of version 1 alone
#   --selinux  systemd, with SELinux (permissive) in AppArmor's place
set -u
kernel=6.12; [ "${1:-}" != --kernel ] || { kernel=${2:?run.sh: --kernel 6.12 or 6.1}; shift 2; }
mode=--systemd; case ${1:-} in --*) mode=$1; shift;; esac
payload=${1:?usage: run.sh [--kernel 6.12|6.1] [--min|--v1|--systemd|--selinux] PAYLOAD}
cache=${ISOLATION_VM:-${XDG_CACHE_HOME:-$HOME/.cache}/isolation/vm}
lsm="apparmor=1 security=apparmor"
case $mode in
  --min) init=/usr/sbin/vm-init ;;
  --v1) init="/usr/sbin/vm-init CGROUPS=v1" ;;
  --systemd) init=/lib/systemd/systemd ;;
  --selinux) init=/lib/systemd/systemd lsm="security=selinux selinux=1 enforcing=0" ;;
  *) echo "run.sh: $mode is none of --min, --v1, --systemd, --selinux" >&2; exit 125 ;;
esac
[ -f "$cache/vmlinux-$kernel" ] || { echo "run.sh: the kernels are $(cd "$cache" && echo vmlinux-*), not $kernel" >&2; exit 125; }
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
kib=$(du -sk "$payload" | cut -f1)
truncate -s $((kib * 13 / 10 + 32768))K "$work/payload.img"
mke2fs -q -t ext4 -O ^has_journal -m 0 -N 20000 -d "$payload" "$work/payload.img" || exit 125
truncate -s 1G "$work/scratch.img"
tree=$cache/emulator; lib=$tree/usr/lib/x86_64-linux-gnu
# Hardware acceleration only where the processor itself offers it: a /dev/kvm alone may be one that runs no stock kernel.
accel=tcg,thread=multi cpu=max,la57=off
if [ -w /dev/kvm ] && grep -qwE 'vmx|svm' /proc/cpuinfo; then accel=kvm cpu=host; fi

boot() {
  : > "$work/exit"
  timeout -k 5 "${VM_TIMEOUT:-1800}" env QEMU_MODULE_DIR="$lib/qemu" "$tree/usr/lib64/ld-linux-x86-64.so.2" --library-path "$lib:$tree/usr/lib" "$tree/usr/bin/qemu-system-x86_64" \
    -L "$tree/usr/share/qemu" -L "$tree/usr/share/seabios" -nodefaults -no-user-config -display none -no-reboot \
    -machine pc -accel $accel -cpu $cpu -smp 2 -m "${VM_MEM:-1024}" \
    -kernel "$cache/vmlinux-$kernel" -append "console=ttyS0 quiet panic=-1 root=/dev/nvme0n1 rootfstype=ext4 rw init=$init systemd.unit=vmtest.target $lsm psi=1 mitigations=off cryptomgr.notests no_timer_check" \
    -drive file="$cache/root.img",format=raw,if=none,id=d0,snapshot=on,cache=unsafe -device nvme,drive=d0,serial=root \
    -drive file="$work/payload.img",format=raw,if=none,id=d1,readonly=on -device virtio-blk-pci,drive=d1,serial=payload \
    -drive file="$work/scratch.img",format=raw,if=none,id=d2,cache=unsafe -device virtio-blk-pci,drive=d2,serial=scratch \
    -serial file:"$work/console" -device virtio-serial-pci \
    -chardev file,id=out,path=/dev/fd/3 -device virtserialport,chardev=out,name=out \
    -chardev file,id=ex,path="$work/exit" -device virtserialport,chardev=ex,name=exit 3> >(cat) </dev/null
  code=$(sed -n 2p "$work/exit")
}

boot
# A machine that never came to the payload (the emulator failed in boot) gets one more try; a payload that ran never does.
if [ ! -s "$work/exit" ]; then
  tail -5 "$work/console" >&2; echo "run.sh: the machine did not come up; once more" >&2; boot
fi
[ -n "$code" ] || { tail -30 "$work/console" >&2; exit 125; }
grep -aE 'Oops|BUG:|Kernel panic' "$work/console" >&2
exit "$code"
