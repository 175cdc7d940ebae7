# What Debian has to provide; sourced, never run.
# shellcheck shell=bash disable=SC2034,SC2154

# What a user needs, to build octet and nothing else.
user_packages=(
  g++ meson ninja-build cmake ccache
  python3              # XNNPACK's CMake files run it
  flatbuffers-compiler libflatbuffers-dev
  libfmt-dev libcli11-dev nlohmann-json3-dev
  libminizip-dev zlib1g-dev libpng-dev libjpeg62-turbo-dev
  patch xz-utils ca-certificates debian-archive-keyring
)

test_packages=(doctest-dev)

bench_packages=(libbenchmark-dev pkgconf)

# Of clang-format and clang-tidy the version matters: each lays code out and warns in its own way,
# and 19 is the one that both Debian 12 and 13 have.
format_packages=(clang-format-19 git)
tidy_packages=(clang-tidy-19 clang-19)

# What programs find the installed library with; CMake is there.
consumer_packages=(pkgconf binutils)

# For -Dxnnpack=system, on Debian 13.
system_packages=(libxnnpack-dev libpthreadpool-dev libcpuinfo-dev)

cross_packages_aarch64=(crossbuild-essential-arm64 qemu-user)
cross_packages_armhf=(crossbuild-essential-armhf qemu-user)

missing_packages() {
  local p
  for p; do
    [[ $(dpkg-query -W -f='${db:Status-Abbrev}' "$p" 2>/dev/null) == ?i* ]] || printf '%s\n' "$p"
  done
}

# Leaves apt alone when nothing is missing, so that it is quick and works without a network.
install_packages() {
  command -v apt-get >/dev/null || die "this script knows Debian's apt only; the packages are listed in tools/packages.sh"
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} = 0 ] && return
  say "installing ${#missing[@]} packages: ${missing[*]}"
  local apt=(apt-get -q -y -o Dpkg::Use-Pty=0 --no-install-recommends)
  as_root apt-get -q update
  as_root env DEBIAN_FRONTEND=noninteractive "${apt[@]}" install "${missing[@]}"
}
