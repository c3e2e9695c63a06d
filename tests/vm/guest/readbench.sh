# SPDX-License-Identifier: GPL-2.0-only
# Cold and warm reads of one image by every way that this kernel has.  Prints
#   <way> cold|warm <milliseconds> <requests>
# /copies has boot.img and blob.img.  Argument: repetitions (in /repetitions).
set -eu
repetitions=$(cat /repetitions)
mkdir -p /mnt/image
bytes=

drop() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
}

read_all() { # way, cold or warm: sets $took
	drop
	# shellcheck disable=SC2046 # two words are wanted
	set -- "$1" "$2" $(vm_helper read /mnt/image)
	[ "$4" = "${bytes:=$4}" ] || {
		echo "readbench: $1: read: $4 bytes instead of $bytes" >&2
		exit 1
	}
	took=$3
}

on_demand() { # way, protocol, buffered or direct
	if [ "$2" = demand ]; then
		vm_helper prepare /scratch/root erofs,boot.img /copies
	else
		mkdir -p /scratch/root
	fi
	: >/tmp/served # the background job may be late to do it
	vm_helper serve "$2" /scratch/root /copies "$3" >/tmp/served &
	daemon=$!
	until grep -q bound /tmp/served; do
		kill -0 $daemon
		usleep 20000
	done
	mount -t erofs -o fsid=boot.img,device=blob.img none /mnt/image
	read_all "$1" cold
	cold=$took
	read_all "$1" warm
	umount /mnt/image
	kill $daemon
	wait $daemon
	echo "$1 cold $cold $(tail -n 1 /tmp/served)"
	echo "$1 warm $took 0"
	rm -rf /scratch/root
}

plain() { # way, how the files become mountable
	mkdir -p /scratch/plain
	cp /copies/* /scratch/plain/
	if [ "$2" = loop ]; then
		boot=$(losetup -f)
		losetup -r "$boot" /scratch/plain/boot.img
		blob=$(losetup -f)
		losetup -r "$blob" /scratch/plain/blob.img
		mount -t erofs -o ro,device="$blob" "$boot" /mnt/image
	else
		vm_helper mount /scratch/plain/boot.img device=/scratch/plain/blob.img /mnt/image
	fi
	read_all "$1" warm
	echo "$1 warm $took 0"
	umount /mnt/image
	[ "$2" != loop ] || losetup -d "$boot"
	[ "$2" != loop ] || losetup -d "$blob"
	rm -rf /scratch/plain
}

# The ways in turn, each round beginning with another, so that no way always
# follows the same one.
round() { # number
	ways="demand-buffered demand-direct mainline loop"
	case $(uname -r) in 6.1.*) ;; *) ways="$ways file-backed" ;; esac
	for _ in $(seq $(($1 % 5))); do
		ways="${ways#* } ${ways%% *}"
	done
	for way in $ways; do
		case $way in
		demand-buffered) on_demand "$way" demand buffered ;;
		demand-direct) on_demand "$way" demand direct ;;
		mainline) on_demand "$way" ondemand direct ;;
		loop) plain "$way" loop ;;
		file-backed) plain "$way" file ;;
		esac
	done
}

round 0 >/tmp/first # the first round of a boot is slow
for number in $(seq "$repetitions"); do
	round "$number"
done
