# Configuring and building with Meson; sourced, never run.
# shellcheck shell=bash disable=SC2034,SC2154

# build_dir_of TARGET: build, build-aarch64, build-armhf.
build_dir_of() { [ "$1" = native ] && echo build || echo "build-$1"; }

use_ccache() {
  command -v ccache >/dev/null || return 0
  # Meson finds ccache by itself; this lets checkouts and build folders share what they compiled.
  export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=${CCACHE_SLOPPINESS:-time_macros}
}

# configure DIR TARGET [MESON OPTIONS...]: sets the folder up, or again when the dependencies moved.
configure() {
  local dir=$1 target=$2 prefix
  shift 2
  prefix=$(cmd_prefix "$target")
  local cross=()
  [ "$target" = native ] || cross=(--cross-file "cross/$target.ini")
  if [ ! -f "$dir/build.ninja" ]; then
    rm -rf "$dir"
    meson setup "$dir" "${cross[@]}" "$@" >&2
  elif [ "$(cat "$dir/.prefix" 2>/dev/null)" != "$prefix" ]; then
    meson setup --wipe "$dir" "${cross[@]}" "$@" >&2
  elif [ $# -gt 0 ]; then
    meson configure "$dir" "$@" >&2
  fi
  echo "$prefix" >"$dir/.prefix"
}

# build_tree DIR TARGET [MESON OPTIONS...]
build_tree() {
  use_ccache
  configure "$@"
  ninja_progress "building $1" "$1/ninja.log" -C "$1"
}
