#!/bin/bash
# adds systemd test target into rootdir $1
R=$1
cat > $R/etc/systemd/system/vmtest.service <<'U'
[Unit]
Description=VM test run
Requires=dbus.socket systemd-logind.service
After=dbus.socket systemd-logind.service systemd-user-sessions.service sysinit.target basic.target
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
Type=oneshot
ExecStart=/usr/sbin/systemd-run-tests
Delegate=yes
U
cat > $R/etc/systemd/system/vmtest.target <<'U'
[Unit]
Description=VM test target
Requires=basic.target vmtest.service
Wants=systemd-logind.service dbus.service
After=basic.target
AllowIsolate=yes
U
for u in systemd-hwdb-update.service ldconfig.service systemd-journal-catalog-update.service systemd-update-done.service systemd-firstboot.service systemd-timesyncd.service systemd-pstore.service systemd-machine-id-commit.service e2scrub_reap.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer systemd-tmpfiles-clean.timer getty@tty1.service serial-getty@ttyS0.service nftables.service systemd-networkd.service systemd-udev-hwdb-update.service quotaon.service; do ln -sf /dev/null $R/etc/systemd/system/$u; done
echo 5c2a9bd7f2f04c3a9c8d2f3d7d1f0a11 > $R/etc/machine-id
: > $R/etc/fstab
chroot $R id isolation-test >/dev/null 2>&1 || chroot $R useradd -m -u 1000 -s /bin/sh isolation-test
mkdir -p $R/var/lib/systemd/linger; : > $R/var/lib/systemd/linger/isolation-test
mkdir -p $R/etc/systemd/system.conf.d; printf '[Manager]\nShowStatus=no\nDefaultTimeoutStartSec=300\n' > $R/etc/systemd/system.conf.d/vm.conf
mkdir -p $R/etc/systemd/system/user@.service.d;  printf '[Service]\nDelegate=cpu cpuset io memory pids\n' > $R/etc/systemd/system/user@.service.d/delegate.conf
for u in apparmor.service systemd-udev-trigger.service systemd-udevd.service systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-udev-load-credentials.service modprobe@configfs.service modprobe@fuse.service modprobe@drm.service modprobe@dm_mod.service modprobe@loop.service modprobe@efi_pstore.service sys-kernel-config.mount sys-kernel-debug.mount systemd-random-seed.service systemd-journal-flush.service systemd-sysusers.service systemd-tmpfiles-setup-dev-early.service systemd-tmpfiles-setup-dev.service kmod-static-nodes.service systemd-sysctl.service systemd-remount-fs.service systemd-modules-load.service systemd-binfmt.service proc-sys-fs-binfmt_misc.automount systemd-hostnamed.socket systemd-creds.socket systemd-ask-password-console.path systemd-ask-password-wall.path systemd-battery-check.service systemd-tpm2-setup.service systemd-tpm2-setup-early.service systemd-pcrextend.socket systemd-mountfsd.socket systemd-networkd.socket systemd-sysext.socket systemd-nsresourced.socket polkit.service dev-mqueue.mount  sys-fs-fuse-connections.mount; do ln -sf /dev/null $R/etc/systemd/system/$u; done
mkdir -p $R/etc/systemd/journald.conf.d; printf '[Journal]\nStorage=volatile\nForwardToConsole=no\nRuntimeMaxUse=4M\n' > $R/etc/systemd/journald.conf.d/vm.conf
