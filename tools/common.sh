# Shared by ./dev and the scripts beside this file; sourced, never run.
# shellcheck shell=bash disable=SC2034,SC2154

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${OCTET_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/octet}
jobs=${OCTET_JOBS:-$(nproc)}

say() { printf '%s\n' "$*" >&2; }
die() { say "dev: $*"; exit 1; }

# Runs a command as root: directly, through sudo, or not at all.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "need root (or sudo) to run: $*"
  fi
}

# run_logged LOG CMD...: the output goes to LOG; the end of it is shown only if CMD fails.
run_logged() {
  local log=$1
  shift
  "$@" >>"$log" 2>&1 || { tail -n 40 "$log" >&2; die "failed: $1 (whole log: $log)"; }
}

# ninja_progress LABEL LOG ARGS...: ninja with one line of progress instead of a thousand.
# On a terminal the line is rewritten in place, elsewhere it is printed at every tenth.
# What the compiler says is shown only when the build fails, from the first failure on.
ninja_progress() {
  local label=$1 log=$2
  shift 2
  NINJA_STATUS='%p ' ninja -j "$jobs" "$@" 2>&1 | tee "$log" | show_progress "$label" >&2 || {
    sed -n '/^FAILED:/,$p' "$log" | grep -v '^ *[0-9]*% ' | head -n 60 >&2
    die "$label failed (whole log: $log)"
  }
}

# (Not awk: Debian's reads its input in large blocks, and a line would show minutes late.)
show_progress() {
  local label=$1 line percent='' next=0
  while IFS= read -r line; do
    [[ $line =~ ^\ *([0-9]+)% ]] || continue
    percent=${BASH_REMATCH[1]}
    if [ -t 1 ]; then
      printf '\r%s %3d%%' "$label" "$percent"
    elif [ "$percent" -ge "$next" ]; then
      printf '%s %3d%%\n' "$label" "$percent"
      next=$((percent - percent % 10 + 10))
    fi
  done
  if [ -t 1 ] && [ -n "$percent" ]; then printf '\n'; fi
}

# target_vars TARGET: the names one target goes by, in Debian, GNU, CMake and qemu.
target_vars() {
  target=$1
  case $target in
    native) triplet='' deb_arch='' cmake_processor='' ;;
    aarch64) triplet=aarch64-linux-gnu deb_arch=arm64 cmake_processor=aarch64 ;;
    armhf) triplet=arm-linux-gnueabihf deb_arch=armhf cmake_processor=armv7l ;;
    *) die "unknown target '$target' (native, aarch64, armhf)" ;;
  esac
  cc=${triplet:+$triplet-}gcc
  cxx=${triplet:+$triplet-}g++
}
