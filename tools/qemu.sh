#!/bin/sh
# qemu.sh NAME TRIPLET PROGRAM...: Meson's exe_wrapper for cross builds. It is not qemu itself, so that
# the tests can choose another root (OCTET_QEMU_ROOT, for a /proc/cpuinfo of another CPU); the CPU model
# is qemu's own variable, QEMU_CPU.
name=$1 triplet=$2
shift 2
exec "qemu-$name" -L "${OCTET_QEMU_ROOT:-/usr/$triplet}" "$@"
