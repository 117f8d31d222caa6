#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# A virtual machine with Debian 12 of its own, systemd and all: made from packages, booted from an
# image, told what to do by a virtio port, and its network interfaces captured outside of it.
# Sourced by the tests of this folder; knows nothing about bwctl.
#
#     machine_root NAME PACKAGE...      a root of Debian packages, as a tar file
#     machine_image DIR ROOT KERNEL     from the folder ROOT to DIR/image
#     machine_start DIR KERNEL          boots it; until it answers
#     machine_do COMMAND...             in the guest, as root
#     machine_qmp JSON                  a command to QEMU
#
# Each boot has captures of its own: DIR/net0.pcap and DIR/net1.pcap. The first network device
# is always there (nic0, ens5); the second (ens6) is for device_add.

MACHINE_ROOT=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
MACHINE_CACHE=${BWCTL_VM_CACHE:-$MACHINE_ROOT/build/vm}
MACHINE_MAC0=52:54:00:12:34:05
MACHINE_MAC1=52:54:00:12:34:06
# shellcheck disable=SC2034 # the second is of the device that the caller adds
readonly MACHINE_MAC0 MACHINE_MAC1

machine_fail() {
	printf 'machine: %s\n' "$*" >&2
	return 1
}

# The address that this machine's own apt sources have for a repository of that name.
machine_repository() {
	apt-get indextargets --format "\$(REPO_URI)" 'Created-By: Packages' | grep -m 1 -E "/$1/?\$"
}

# machine_root NAME PACKAGE...: prints the path of a tar file with a minimal Debian 12 and these
# packages. Made once, and again when it has become a month old.
machine_root() {
	local name=$1 main extra packages cache=$MACHINE_CACHE/boot
	shift
	packages=$(IFS=,; echo "$*")
	cache=$cache/$name-$(cksum <<<"$packages" | cut -d ' ' -f 1).tar
	if [[ -z $(find "$cache" -mtime -30 2>/dev/null) ]]; then
		mkdir -p "${cache%/*}"
		main=$(machine_repository debian) || machine_fail 'apt has no Debian mirror' || return
		extra=$(machine_repository debian-security) || extra=${main%/}-security
		mmdebstrap --quiet --format=tar --variant=minbase ${packages:+"--include=$packages"} \
			--aptopt='Acquire::Check-Valid-Until "false"' bookworm "$cache.new" \
			"deb $main bookworm main" "deb $extra bookworm-security main" >&2 </dev/null &&
			mv "$cache.new" "$cache" || return
	fi
	echo "$cache"
}

# machine_in ROOT COMMAND...: in a folder that is a root, with the file systems that packages need.
machine_in() {
	# shellcheck disable=SC2016 # for the inner shell to expand
	unshare --mount --propagation private -- bash -c '
		set -e
		root=$1
		shift
		mount -t proc proc "$root/proc"
		mount --rbind /dev "$root/dev"
		cp -L /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || :
		export DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin
		exec chroot "$root" "$@"
	' in "$@" </dev/null
}

# machine_image DIR ROOT KERNEL: DIR/image, DIR/initrd. KERNEL is a folder as of tests/vm/kernel.
machine_image() {
	local dir=$1 root=$2 kernel=$3 release=${3##*/} early=$1/early file name
	install -m 0755 "$MACHINE_ROOT/tests/boot/agent" "$root/usr/sbin/agent"
	cat >"$root/etc/systemd/system/agent.service" <<-END
		[Unit]
		Description=Runs what the tests ask for
		[Service]
		ExecStart=/usr/sbin/agent
		StandardError=journal+console
		[Install]
		WantedBy=multi-user.target
	END
	ln -sf /etc/systemd/system/agent.service "$root/etc/systemd/system/multi-user.target.wants/"
	echo machine >"$root/etc/hostname"
	mkdir -p "$root/lib/modules"
	cp -a "$kernel/lib/modules/$release" "$root/lib/modules/"
	rm -f "$dir/image"
	mke2fs -q -t ext4 -O ^has_journal -d "$root" "$dir/image" 1200M || return

	mkdir -p "$early"/{bin,dev,proc,sys,modules,root}
	cp "$(type -P busybox)" "$early/bin/busybox"
	for name in virtio_pci virtio_blk ext4; do
		modprobe -C /dev/null -d "$kernel" -S "$release" --show-depends "$name"
	done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' >"$dir/modules"
	: >"$early/modules/order"
	while read -r file; do
		name=${file##*/}
		case $name in
		*.xz) xz -dc "$file" >"$early/modules/${name%.xz}" ;;
		*.zst) zstd -dcq "$file" >"$early/modules/${name%.zst}" ;;
		*) cp "$file" "$early/modules/$name" ;;
		esac
		name=${name%.xz}
		echo "${name%.zst}" >>"$early/modules/order"
	done <"$dir/modules"
	cat >"$early/init" <<-'END'
		#!/bin/busybox sh
		b=/bin/busybox
		$b mount -t proc proc /proc
		$b mount -t devtmpfs dev /dev
		for m in $($b cat /modules/order); do $b insmod /modules/$m; done
		until [ -b /dev/vda ]; do $b sleep 0.1; done
		$b mount -t ext4 -o rw /dev/vda /root
		$b mount --move /dev /root/dev
		$b umount /proc
		exec $b switch_root /root /sbin/init
	END
	chmod 0755 "$early" "$early/init"
	(cd "$early" && find . | cpio --quiet -o -H newc) >"$dir/initrd"
	rm -rf "$early"
}

# machine_start DIR KERNEL: boots DIR/image, and returns when it answers.
machine_start() {
	local dir=$1 kernel=$2 port image=$2/vmlinux
	[[ -e $image ]] || image=$kernel/vmlinuz
	MACHINE_DIR=$dir
	rm -f "$dir"/{agent,qmp}.{in,out} "$dir"/net?.pcap
	for port in agent qmp; do
		mkfifo "$dir/$port.in" "$dir/$port.out"
	done
	# Counted in instructions: what the guest sees as a moment is one outside too, whatever else runs here.
	# And vmxnet3 sends a frame in the moment in which it is told to; virtio-net later, in another thread.
	# It outlives the test that starts it, but not for ever.
	timeout -k 1 1800 setpriv --pdeathsig KILL -- \
		qemu-system-x86_64 -M pc -accel tcg,thread=single -cpu qemu64,+rdrand -icount shift=1 \
		-smp 1 -m 512 -nodefaults -no-user-config -display none -no-reboot \
		-kernel "$image" -initrd "$dir/initrd" \
		-append "console=ttyS0 quiet panic=-1 oops=panic mitigations=off random.trust_cpu=on ${MACHINE_APPEND:-}" \
		-chardev "file,id=console,path=$dir/console,append=on" -serial chardev:console \
		-chardev "pipe,id=agent,path=$dir/agent" -device virtio-serial-pci \
		-device virtserialport,chardev=agent,name=agent \
		-chardev "pipe,id=qmp,path=$dir/qmp" -mon chardev=qmp,mode=control \
		-drive "file=$dir/image,format=raw,if=none,id=disk,cache=unsafe" -device virtio-blk-pci,drive=disk \
		-device virtio-rng-pci \
		-netdev user,id=net0,net=192.0.2.0/24,restrict=on -object "filter-dump,id=dump0,netdev=net0,file=$dir/net0.pcap" \
		-netdev user,id=net1,net=198.51.100.0/24,restrict=on -object "filter-dump,id=dump1,netdev=net1,file=$dir/net1.pcap" \
		-device "vmxnet3,id=nic0,netdev=net0,mac=$MACHINE_MAC0,addr=5,romfile=" \
		</dev/null >"$dir/qemu" 2>&1 3>&- &
	echo $! >"$dir/pid"
	machine_qmp '{"execute": "qmp_capabilities"}' >/dev/null && machine_do true
}

# machine_runs: whether QEMU is still there.
machine_runs() {
	kill -0 "$(<"$MACHINE_DIR/pid")" 2>/dev/null
}

# machine_line SECONDS: the next line from descriptor 6 is in $line. Fails when there is none, or no machine.
machine_line() {
	local tries=$1 begun=''
	until IFS= read -r -t 1 line <&6; do
		# What came of a line before the time was up is not read again.
		begun+=$line
		((tries-- > 0)) || machine_fail "no answer within $1 s: $(tail -n 3 "$MACHINE_DIR/console")" || return
		machine_runs || machine_fail "QEMU has ended: $(tail -n 3 "$MACHINE_DIR/qemu" "$MACHINE_DIR/console")" || return
	done
	line=$begun$line
}

# machine_do COMMAND...: one line for bash in the guest; its output, without blank lines, and its exit code.
machine_do() {
	local line
	exec 6<>"$MACHINE_DIR/agent.out"
	printf '%s\n' "$*" >"$MACHINE_DIR/agent.in"
	while machine_line "${MACHINE_TIMEOUT:-300}"; do
		if [[ $line =~ ^'<<'([0-9]+)'>>'$ ]]; then
			exec 6>&-
			return "${BASH_REMATCH[1]}"
		fi
		[[ -z $line ]] || printf '%s\n' "$line"
	done
	exec 6>&-
	return 125
}

# machine_qmp JSON [EVENT]: what QEMU answers, or the event of that name.
machine_qmp() {
	local line
	exec 6<>"$MACHINE_DIR/qmp.out"
	printf '%s\n' "$1" >"$MACHINE_DIR/qmp.in"
	while machine_line 60; do
		case $line in
		*'"error"'*) machine_fail "QEMU: $line" || return ;;
		*'"return"'*) [[ -n ${2:-} ]] || break ;;
		*"\"event\": \"${2:-none}\""*) break ;;
		esac
	done
	exec 6>&-
	printf '%s\n' "$line"
}

# machine_off poweroff|reboot: the guest ends in order.
machine_off() {
	local tries=120
	printf 'systemctl --no-block %s\n' "$1" >"$MACHINE_DIR/agent.in"
	while machine_runs; do
		((tries-- > 0)) || machine_fail "no end of the guest: $(tail -n 3 "$MACHINE_DIR/console")" || return
		sleep 0.5
	done
}

# machine_kill: whatever it does.
machine_kill() {
	[[ ! -s ${MACHINE_DIR:-}/pid ]] || ! machine_runs || kill "$(<"$MACHINE_DIR/pid")"
}

# machine_frames NET [FILTER]: how many frames are in its capture.
machine_frames() {
	tcpdump -n -r "$MACHINE_DIR/$1.pcap" ${2:+"$2"} 2>/dev/null | wc -l
}
