# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by run.sh after kernel.sh: one boot of one kernel with one scenario.

GUEST_MEMORY=${GUEST_MEMORY:-1024}
GUEST_ARGUMENTS=   # for the kernel, beside those of a boot
QEMU_MORE=()       # for QEMU
ACCEL=tcg,thread=multi CPUS=2
PLUG=              # so many times 128 MiB are added once the guest says that it is ready
BOOT_TRIES=6
MODULES=(virtio_pci virtio_blk crc32c_generic ext4 overlay fuse)

# The two machines.  CPU=max has five levels of page tables on x86_64; max,la57=off has four.
machine_x86_64() { QEMU=${QEMU_X86:-qemu-system-x86_64} MACHINE=pc CONSOLE=ttyS0 CPU=max BUSYBOX=$(command -v busybox); }
machine_arm64() { QEMU=qemu-system-aarch64 MACHINE=virt CONSOLE=ttyAMA0 CPU=max,pauth-impdef=on BUSYBOX=$ARM64_BUSYBOX; }
machine_x86_64

# make_initramfs FILE SCENARIO PROGRAM...: busybox, the modules of the kernel, the programs in /bin.
make_initramfs() {
	local out=$1 scenario=$2 root
	shift 2
	root=$(mktemp -d "$TMP/initramfs.XXXXXX")
	mkdir -p "$root"/{bin,dev,proc,sys,tmp,mnt,modules,etc}
	cp "$BUSYBOX" "$root/bin/busybox"
	cp "$@" "$root/bin/"
	cp "$VM/guest/init" "$root/init"
	cp "$scenario" "$root/scenario"
	chmod 755 "$root/init" "$root"/bin/*
	module_files "$root/modules" "${MODULES[@]}" >"$root/modules/order"
	echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"
	(cd "$root" && find . -print0 | LC_ALL=C sort -z | cpio -0o -H newc -R 0:0 --quiet) | gzip -1 >"$out"
	rm -rf "$root"
}

# one_boot INITRAMFS LIMIT [KERNEL-ARGUMENTS]: leaves serial.log, out.raw.  0: our init ran to its end; 1: it ran but
# not to its end; 2: it never ran.
one_boot() {
	local initramfs=$1 limit=$2 arguments=${3:-} pid waited=0 drives monitor=none plugged=0
	rm -f "$TMP/out.raw"
	truncate -s 192M "$TMP/out.raw"
	rm -f "$TMP/ext4.raw"
	truncate -s 128M "$TMP/ext4.raw"
	mkfs.ext4 -q -F -O ^has_journal "$TMP/ext4.raw" || return 1
	drives=(-drive "file=$TMP/out.raw,format=raw,if=virtio,cache=unsafe"
		-drive "file=$TMP/ext4.raw,format=raw,if=virtio,cache=unsafe")
	if [[ " ${MODULES[*]} " == *" xfs "* ]]; then
		rm -f "$TMP/xfs.raw"
		truncate -s 320M "$TMP/xfs.raw"
		mkfs.xfs -q "$TMP/xfs.raw" || return 1
		drives+=(-drive "file=$TMP/xfs.raw,format=raw,if=virtio,cache=unsafe")
	fi
	if [ -n "$PLUG" ]; then
		rm -f "$TMP/monitor.in" "$TMP/monitor.out"
		mkfifo "$TMP/monitor.in" "$TMP/monitor.out"
		monitor="pipe:$TMP/monitor"
	fi
	: >"$TMP/serial.log"
	"$QEMU" -machine "$MACHINE" -accel "$ACCEL" -cpu "$CPU" -smp "$CPUS" -m "$GUEST_MEMORY" -nographic -no-reboot -nodefaults \
		-serial "file:$TMP/serial.log" -monitor "$monitor" -display none \
		-kernel "$KERNEL_DIR/vmlinuz" -initrd "$initramfs" \
		-append "console=$CONSOLE panic=-1 quiet loglevel=4 mitigations=off tsc=unstable $GUEST_ARGUMENTS $arguments" \
		"${drives[@]}" "${QEMU_MORE[@]}" \
		</dev/null >"$TMP/qemu.log" 2>&1 &
	pid=$!
	QEMU_PID=$pid
	while kill -0 $pid 2>/dev/null; do
		sleep 0.25
		waited=$((waited + 1))
		if [ "$plugged" -lt "${PLUG:-0}" ] && [ $((waited % 3)) = 0 ] && grep -q OSSNAP-VM-PLUG "$TMP/serial.log"; then
			plug_memory "$plugged"
			plugged=$((plugged + 1))
		fi
		# A boot that dies before our code is often a boot that hangs.
		if [ $waited -ge $((4 * limit)) ] ||
			{ [ $waited -ge 160 ] && ! grep -q OSSNAP-VM-INIT "$TMP/serial.log"; }; then
			kill -KILL $pid 2>/dev/null
		fi
	done
	wait $pid 2>/dev/null
	QEMU_PID=
	grep -q OSSNAP-VM-DONE "$TMP/serial.log" && return 0
	grep -q OSSNAP-VM-INIT "$TMP/serial.log" && return 1
	return 2
}

# plug_memory N: 128 MiB more for the running guest.  The monitor's answers are for whoever debugs this.
plug_memory() {
	exec {answers}<>"$TMP/monitor.out"
	printf 'object_add memory-backend-ram,id=plug%d,size=128M\ndevice_add pc-dimm,id=dimm%d,memdev=plug%d\n' "$1" "$1" "$1" \
		>"$TMP/monitor.in"
	timeout 0.1 cat <&"$answers" >>"$TMP/monitor.log"
	exec {answers}>&-
}

# boot INITRAMFS LIMIT RESULTS [KERNEL-ARGUMENTS]: retries what crashed before our code, and only that; sets REASON.
boot() {
	local try status=2
	for ((try = 1; try <= BOOT_TRIES; try++)); do
		one_boot "$1" "$2" "${4:-}"
		status=$?
		[ $status = 2 ] || break
	done
	BOOTS=$try
	case $status in
	0)
		mkdir -p "$3"
		tar -C "$3" -xf "$TMP/out.raw" 2>"$TMP/untar.log" && return 0
		REASON="results cannot be unpacked: $(head -1 "$TMP/untar.log")"
		;;
	1) REASON="the guest did not finish in $2 s: $(tail -3 "$TMP/serial.log" | tr -d '\r' | tr '\n' '|')" ;;
	*) REASON="no boot of $BOOT_TRIES reached our init: $(tail -2 "$TMP/serial.log" "$TMP/qemu.log" | tr -d '\r' | tr '\n' '|')" ;;
	esac
	return 1
}
