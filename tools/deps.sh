# XNNPACK and what it needs, built once per target into a prefix outside the tree; sourced, never run.
# shellcheck shell=bash disable=SC2034,SC2154
#
# Debian 12's XNNPACK is too old and no Debian has a static one, so it is built from Debian's source
# packages. They come through apt with a state of its own (lists and sources file in the cache): the
# machine's apt configuration is read but never changed, and every file is checked twice, by apt
# against the signed index and by us against the pin.

# name, upstream version, release that has it, sha256 of the .orig.tar.xz.
# A name's first row is the one we want; a later row stands in when the mirror has it no more.
# (unstable's pthreadpool: the one in Debian 13 spins a thousand times longer before it sleeps,
# which ruins latency on a busy machine.)
pins='
xnnpack     0.0~git20241108.4ea82e5 trixie 90bde2caef0f880f627bab0dc805a86c4b8070cd98e3243db3046ab3f3be1a99
fxdiv       0.0~git20200417.b408327 trixie 7953482badaf4cb34026c3487c257b8e4ab2df061c019bd6fabbbc12ad52c44b
cpuinfo     0.0~git20250905.877328f sid    557ca404a3836b9f335a3a06b65ff9fe9dbaaefab7fb5c0185f53d9f33615a10
cpuinfo     0.0~git20250327.39ea79a trixie 2a10028948f7f0663c56cc34405484391ee3d7ccdf09fe51d73897937b99d9d4
pthreadpool 0.0~git20251020.0e6ca13 sid    7a385b6585abe8f8658952c50b44a1dabe200de2c88eabe65d15168b8a82295c
pthreadpool 0.0~git20240616.560c60d trixie 4cc3cbd933b28131d2a34edc54f76af9fb41bc490af5eae1a5bd3cd07ea90708
'

# One section per function lets the linker drop the kernels that nothing calls: a third of the binary.
# Position-independent and hidden: XNNPACK becomes part of liboctet.so, and nobody else's business.
xnnpack_cflags='-ffunction-sections -fdata-sections -fPIC -fvisibility=hidden'
xnnpack_options=(
  -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_LIBDIR=lib
  -DXNNPACK_LIBRARY_TYPE=static -DXNNPACK_BUILD_ALL_MICROKERNELS=OFF
  -DXNNPACK_BUILD_TESTS=OFF -DXNNPACK_BUILD_BENCHMARKS=OFF
  -DXNNPACK_ENABLE_KLEIDIAI=OFF   # fetches its sources while configuring, and has no int8 kernels for us
)

# Header-only packages, copied for cross builds: the host's /usr/include as a whole has the wrong libc.
header_packages=(doctest-dev libcli11-dev nlohmann-json3-dev libfmt-dev libflatbuffers-dev)
target_libraries=(zlib1g-dev libminizip-dev libpng-dev libjpeg62-turbo-dev)

# Everything the prefix depends on. Its hash is the prefix's name, so a changed pin, flag, patch or
# compiler builds a new one, and going back finds the old one.
prefix_inputs() {
  printf '%s\n' "$pins" "$xnnpack_cflags" "${xnnpack_options[@]}"
  (cd "$root/tools" && sha256sum -- patches/*.patch xnnpack.cmake)
  "$cxx" --version | head -n 1
  if [ -n "$triplet" ]; then
    echo "${target_libraries[@]}"
    dpkg-query -W "${header_packages[@]}"
  fi
}

prefix_path() {
  target_vars "$1"
  command -v "$cxx" >/dev/null || die "no $cxx here; run ./dev ${triplet:+cross }${triplet:+$target}${triplet:-setup} first"
  local hash
  hash=$(prefix_inputs | sha256sum | cut -c 1-16)
  printf '%s\n' "$cache/deps/$hash/$target"
}

# ---- fetching -------------------------------------------------------------------------------------

# The mirror the machine's own release comes from, as apt understood it (one-line or deb822, any scheme).
system_mirror() {
  # shellcheck disable=SC1091
  local codename
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  # shellcheck disable=SC2016
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk -v c="$codename" '$3 == "main" && ($2 == c || $2 ~ /^(oldstable|stable|testing|unstable|sid)$/) { print $1; exit }'
}

# private_apt STATE COMMAND...: apt with a state of its own. The index has to be signed but not fresh:
# what we take from it is pinned, and a mirror that lags behind is good enough.
private_apt() {
  local state=$1 command=$2
  shift 2
  "$command" -q \
    -o Dir::State="$state" -o Dir::State::lists="$state/lists" -o Dir::State::status="$state/status" \
    -o Dir::Cache="$state/cache" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
    -o Dir::Etc::sourcelist="$state/octet.sources" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
    -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none \
    -o Acquire::Check-Valid-Until=false -o Acquire::Check-Date=false \
    "$@"
}

# private_apt_update STATE TYPE SUITES [ARCHITECTURE]
private_apt_update() {
  local state=$1 type=$2 suites=$3 arch=${4:-} mirror
  mirror=$(system_mirror)
  [ -n "$mirror" ] || die "cannot tell the Debian mirror from this machine's apt configuration"
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
  truncate -s 0 "$state/status" "$state/log"
  {
    printf 'Types: %s\nURIs: %s\nSuites: %s\nComponents: main\n' "$type" "$mirror" "$suites"
    printf 'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n'
  } >"$state/octet.sources"
  run_logged "$state/log" private_apt "$state" apt-get ${arch:+-o APT::Architecture="$arch" -o APT::Architectures="$arch"} update
}

is_pinned_file() { [ -f "$1" ] && echo "$2  $1" | sha256sum --check --status; }

# fetch_pin NAME VERSION SHA256: into $cache/sources, unless it is there. Asks apt for the address and
# fetches the .orig only: the packaging beside it is not used.
fetch_pin() {
  local name=$1 version=$2 sha=$3 state=$cache/apt/sources
  local file=${name}_$version.orig.tar.xz v uri
  is_pinned_file "$cache/sources/$file" "$sha" && return
  for v in $(private_apt "$state" apt-cache showsrc --only-source "$name" | sed -n "s/^Version: \($version-.*\)/\1/p"); do
    uri=$(private_apt "$state" apt-get source --only-source --print-uris "$name=$v" | sed -n "s/^'\([^']*\)' $file .*/\1/p")
    [ -n "$uri" ] || continue
    say "fetching $file"
    if private_apt "$state" /usr/lib/apt/apt-helper download-file "$uri" "$cache/sources/$file" "SHA256:$sha" >>"$state/log" 2>&1; then
      is_pinned_file "$cache/sources/$file" "$sha" && return
    fi
  done
  rm -f "$cache/sources/$file"
  return 1
}

have_all_sources() {
  local name version sha first=' '
  while read -r name version _ sha; do
    if [ -z "$name" ] || [[ $first == *" $name "* ]]; then continue; fi
    first+="$name "
    is_pinned_file "$cache/sources/${name}_$version.orig.tar.xz" "$sha" || return 1
  done <<<"$pins"
}

# Fetches what is missing and prints "name tarball" per source.
fetch_sources() {
  local name version suite sha got=' ' wanted=' '
  mkdir -p "$cache/sources"
  have_all_sources || private_apt_update "$cache/apt/sources" deb-src 'trixie sid'
  while read -r name version suite sha; do
    if [ -z "$name" ] || [[ $got == *" $name "* ]]; then continue; fi
    if fetch_pin "$name" "$version" "$sha"; then
      [[ $wanted != *" $name "* ]] || say "note: using $name $version of $suite instead of the preferred one"
      got+="$name "
      echo "$name $cache/sources/${name}_$version.orig.tar.xz"
    else
      say "the mirror has no $name $version ($suite)"
      wanted+="$name "
    fi
  done <<<"$pins"
  for name in xnnpack fxdiv cpuinfo pthreadpool; do
    [[ $got == *" $name "* ]] || die "no source of $name; put a tarball that a pin in tools/deps.sh names into $cache/sources (apt's log: $cache/apt/sources/log)"
  done
}

# ---- building -------------------------------------------------------------------------------------

# unpack TARBALL DIR: some have a top-level folder, XNNPACK's has none.
unpack() {
  mkdir -p "$2.unpacked"
  tar -C "$2.unpacked" -xf "$1"
  local entries=("$2.unpacked"/*)
  if [ ${#entries[@]} = 1 ] && [ -d "${entries[0]}" ]; then
    mv "${entries[0]}" "$2" && rmdir "$2.unpacked"
  else
    mv "$2.unpacked" "$2"
  fi
}

# Debian's own static libraries for the target, unpacked and not installed: the machine's list
# of foreign architectures stays as it is.
install_target_libraries() {
  local out=$1 work=$2 state=$cache/apt/$deb_arch deb codename
  # shellcheck disable=SC1091
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  private_apt_update "$state" deb "$codename" "$deb_arch"
  mkdir -p "$work/debs" "$work/root"
  (cd "$work/debs" && run_logged "$state/log" private_apt "$state" apt-get \
    -o APT::Architecture="$deb_arch" -o APT::Architectures="$deb_arch" download "${target_libraries[@]}")
  for deb in "$work"/debs/*.deb; do
    dpkg -x "$deb" "$work/root"
    basename "$deb" .deb >>"$out/versions.txt"
  done
  mkdir -p "$out/lib" "$out/include"
  cp "$work/root/usr/lib/$triplet"/*.a "$out/lib/"
  cp -r "$work/root/usr/include/." "$out/include/"
  if [ -d "$out/include/$triplet" ]; then
    cp -r "$out/include/$triplet/." "$out/include/"
    rm -r "${out:?}/include/$triplet"
  fi
}

copy_headers() {
  local out=$1 package file
  for package in "${header_packages[@]}"; do
    while read -r file; do
      [ -f "$file" ] && install -D -m 644 "$file" "$out${file#/usr}"
    done < <(dpkg -L "$package" | grep '^/usr/include/.')
  done
}

build_xnnpack() {
  local out=$1 work=$2 name tarball args=()
  while read -r name tarball; do
    unpack "$tarball" "$work/$name"
    basename "$tarball" .orig.tar.xz >>"$out/versions.txt"
  done <"$work/sources"
  local p
  for p in "$root"/tools/patches/xnnpack-*.patch; do
    run_logged "$work/log" patch -d "$work/xnnpack" -p1 -i "$p"
  done
  if [ -n "$triplet" ]; then
    args=(-DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR="$cmake_processor")
  fi
  run_logged "$work/log" cmake -S "$work/xnnpack" -B "$work/build" -G Ninja "${args[@]}" "${xnnpack_options[@]}" \
    -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" \
    -DCMAKE_C_FLAGS="$xnnpack_cflags" -DCMAKE_CXX_FLAGS="$xnnpack_cflags" \
    -DCMAKE_INSTALL_PREFIX="$out" -DCMAKE_PROJECT_XNNPACK_INCLUDE="$root/tools/xnnpack.cmake" -DCPUINFO_SOURCE_DIR="$work/cpuinfo" \
    -DPTHREADPOOL_SOURCE_DIR="$work/pthreadpool" -DFXDIV_SOURCE_DIR="$work/fxdiv"
  ninja_progress "building XNNPACK ($target)" "$work/ninja.log" -C "$work/build" install
}

# build_prefix TARGET: nothing to do when it is there. Built aside and renamed, so a prefix that exists
# is whole; locked, so that two checkouts at once build it once.
build_prefix() (
  prefix=$(prefix_path "$1")
  target_vars "$1"
  [ -d "$prefix" ] && exit 0
  mkdir -p "$(dirname "$prefix")"
  exec 9>"$(dirname "$prefix")/$target.lock"
  flock -n 9 || { say "waiting for another build of $prefix"; flock 9; }
  [ -d "$prefix" ] && exit 0

  start=$SECONDS
  work=$(mktemp -d "$(dirname "$prefix")/$target.XXXXXX")
  # A failed build stays for its log until the next try.
  rm -rf "$(dirname "$prefix")/$target".failed
  trap 'mv "$work" "$(dirname "$prefix")/$target.failed"' EXIT
  mkdir "$work/prefix"
  (exec 8>"$cache/fetch.lock"; flock 8; fetch_sources >"$work/sources")
  build_xnnpack "$work/prefix" "$work"
  if [ -n "$triplet" ]; then
    copy_headers "$work/prefix"
    (exec 8>"$cache/fetch.lock"; flock 8; install_target_libraries "$work/prefix" "$work")
  fi
  prefix_inputs >"$work/prefix/inputs.txt"
  mv "$work/prefix" "$prefix"
  trap - EXIT
  rm -rf "$work"
  say "XNNPACK ($target) is ready after $((SECONDS - start)) s: $prefix"
)
