# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by run.sh after kernel.sh: one boot of one kernel with one scenario.

QEMU=${QEMU:-qemu-system-x86_64}
GUEST_MEMORY=${GUEST_MEMORY:-1024}
BOOT_TRIES=6
CPU=max # with five levels of page tables; max,la57=off has four
MODULES=(virtio_pci virtio_blk ext4 overlay fuse)

# make_initramfs FILE SCENARIO PROGRAM...: busybox, the modules of the kernel, the programs in /bin.
make_initramfs() {
	local out=$1 scenario=$2 root
	shift 2
	root=$(mktemp -d "$TMP/initramfs.XXXXXX")
	mkdir -p "$root"/{bin,dev,proc,sys,tmp,mnt,modules,etc}
	cp "$(command -v busybox)" "$root/bin/busybox"
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
	local initramfs=$1 limit=$2 arguments=${3:-} pid waited=0
	rm -f "$TMP/out.raw"
	truncate -s 192M "$TMP/out.raw"
	rm -f "$TMP/ext4.raw"
	truncate -s 128M "$TMP/ext4.raw"
	mkfs.ext4 -q -F -O ^has_journal "$TMP/ext4.raw" || return 1
	: >"$TMP/serial.log"
	"$QEMU" -accel tcg,thread=multi -cpu "$CPU" -smp 2 -m "$GUEST_MEMORY" -nographic -no-reboot -nodefaults \
		-serial "file:$TMP/serial.log" -monitor none -display none \
		-kernel "$KERNEL_DIR/vmlinuz" -initrd "$initramfs" \
		-append "console=ttyS0 panic=-1 quiet loglevel=4 mitigations=off tsc=unstable $arguments" \
		-drive "file=$TMP/out.raw,format=raw,if=virtio,cache=unsafe" \
		-drive "file=$TMP/ext4.raw,format=raw,if=virtio,cache=unsafe" \
		</dev/null >"$TMP/qemu.log" 2>&1 &
	pid=$!
	QEMU_PID=$pid
	while kill -0 $pid 2>/dev/null; do
		sleep 0.25
		waited=$((waited + 1))
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
