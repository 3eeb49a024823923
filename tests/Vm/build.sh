#!/usr/bin/env bash
# Builds the test machine: an emulator of Debian trixie and the kernels of trixie (6.12) and bookworm (6.1), unpacked only, and a root image with
# systemd, AppArmor and SELinux's policy.
# Nothing is installed on this host but the packages that build it. Cached; needs root. Prints the cache's path.
# usage: tests/Vm/build.sh [CACHE]     CACHE: default ~/.cache/isolation/vm
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/isolation/vm}
# Anything that changes the image changes its stamp.
stamp=$(cat "$here/build.sh" "$here"/guest/* | sha256sum | cut -c1-16)
if [ "$(cat "$cache/stamp" 2>/dev/null)" = "$stamp" ]; then echo "$cache"; exit 0; fi

packages=(mmdebstrap e2fsprogs zstd lz4 python3 util-linux)
missing=(); for p in "${packages[@]}"; do dpkg -s "$p" >/dev/null 2>&1 || missing+=("$p"); done
if [ ${#missing[@]} -gt 0 ]; then
  apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
fi
# The mirror that apt uses here. On Ubuntu that has no Debian: then set DEBIAN_MIRROR.
mirror=${DEBIAN_MIRROR:-$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null | sed -nE 's#^[^\#]*(https?://[^ ]+/debian)/?( .*)?$#\1#p' | sed -n 1p || true)}
: "${mirror:?No Debian mirror is among the apt sources of this machine; set DEBIAN_MIRROR to one.}"

mkdir -p "$cache"; cd "$cache"; rm -rf emulator older root root.img vmlinux* stamp
bootstrap() {
  unshare -m mmdebstrap --quiet --mode=root --format=directory --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' "$@" >&2
}
bootstrap --variant=extract --include=qemu-system-x86,linux-image-cloud-amd64 trixie emulator "$mirror"
bootstrap --variant=extract --include=linux-image-cloud-amd64 bookworm older "$mirror"
modules=(emulator/usr/lib/modules/* older/lib/modules/*)
# The uncompressed kernel starts two seconds sooner.
for tree in emulator older; do
  python3 - "$tree"/boot/vmlinuz-* <<'P'
import re, subprocess, sys
image = open(sys.argv[1], 'rb').read()
for magic, command in ((b'\x28\xb5\x2f\xfd', ['zstd', '-dc']), (b'\x02\x21\x4c\x18', ['lz4', '-dc'])):
    start = image.find(magic)
    kernel = subprocess.run(command, input=image[start:], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout if start >= 0 else b''
    if kernel.startswith(b'\x7fELF'):
        open('vmlinux-' + re.search(r'vmlinuz-(\d+\.\d+)', sys.argv[1]).group(1), 'wb').write(kernel)
        break
else:
    sys.exit(sys.argv[1] + ' could not be decompressed.')
P
done
bootstrap --variant=apt --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --include=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,udev,kmod,procps,util-linux,mount,passwd,uidmap,iproute2,iputils-ping,nftables,wireguard-tools,socat,e2fsprogs,xfsprogs,quota,busybox-static,strace,gcc,libc6-dev,iperf3,slirp4netns,passt,fuse3,libstdc++6,libicu76,libssl3t64,apparmor,selinux-policy-default,policycoreutils,selinux-utils \
  trixie root "$mirror"
mkdir -p root/usr/lib/modules; cp -a "${modules[@]}" root/usr/lib/modules/
for kernel in "${modules[@]##*/}"; do chroot root depmod "$kernel"; done
install -m755 "$here/guest/vm-init" "$here/guest/systemd-run-tests" "$here/guest/run-payload" root/usr/sbin/
bash "$here/guest/configure.sh" root
unshare -m sh -c 'mount -t proc proc root/proc; chroot root setfiles -F -e /proc /etc/selinux/default/contexts/files/file_contexts /' >&2 || true
truncate -s 2G root.img; mke2fs -q -t ext4 -O ^has_journal,^metadata_csum -m 0 -d root root.img >&2
rm -rf root older
echo "$stamp" > stamp
echo "$cache"
