# Configuring and building with Meson; sourced, never run.
# shellcheck shell=bash disable=SC2034,SC2154

use_ccache() {
  command -v ccache >/dev/null || return 0
  # Meson finds ccache by itself; this lets checkouts and build folders share what they compiled.
  # Depend mode: without a run of the preprocessor before each compilation.
  export CCACHE_DEPEND=1 CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=${CCACHE_SLOPPINESS:-time_macros}
}

# configure DIR TARGET [MESON OPTIONS...]: sets the folder up, or anew when the dependencies moved: Meson
# would not look for them again.
configure() {
  local dir=$1 target=$2 cross=()
  shift 2
  [ "$target" = native ] || cross=(--cross-file "cross/$target.ini")
  if [ ! -f "$dir/build.ninja" ]; then
    rm -rf "$dir"
    meson setup "$dir" "${cross[@]}" "$@" >&2
  elif moved "$dir" "$target"; then
    meson setup --wipe "$dir" "${cross[@]}" "$@" >&2
  elif ! has_options "$dir" "$@"; then
    meson configure "$dir" "$@" >&2
  fi
}

# moved DIR TARGET: is this folder set up for another dependency prefix than today's?
moved() {
  ! grep -q '^xnnpack = system' "$1/meson-private/cmd_line.txt" &&
    ! grep -qF "$(cmd_prefix "$2")/" "$1/build.ninja"
}

# has_options DIR [MESON OPTIONS...]: is the folder set up with them? (Meson would configure it anew even so.)
has_options() {
  local dir=$1 option
  shift
  for option; do
    option=${option#-D}
    grep -qxF "${option%%=*} = ${option#*=}" "$dir/meson-private/cmd_line.txt" || return 1
  done
}

# build_tree DIR TARGET [MESON OPTIONS...] [-- NINJA TARGETS...]
build_tree() {
  local dir=$1 target=$2 options=()
  shift 2
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    options+=("$1")
    shift
  done
  [ $# = 0 ] || shift
  use_ccache
  configure "$dir" "$target" "${options[@]}"
  ninja_progress "building $dir" "$dir/ninja.log" -C "$dir" "$@"
}
