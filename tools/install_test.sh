#!/usr/bin/env bash
# install_test.sh BUILD MODEL [subproject]: is what BUILD installs all that a program needs?
#
# Installs to a staging folder, moves the prefix somewhere else, and builds the examples outside of the tree: by
# pkg-config and by CMake, against the shared and the static library, with gcc and clang. With `subproject` as a
# Meson subproject, too, which compiles the library anew.
set -euo pipefail
source_root=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "$1" && pwd) model=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

prefix=$(meson introspect --buildoptions "$build" | python3 -c '
import json, sys
print(next(o["value"] for o in json.load(sys.stdin) if o["name"] == "prefix"))')
DESTDIR=$work/stage meson install -C "$build" --no-rebuild --quiet
mv "$work/stage$prefix" "$work/moved"
prefix=$work/moved
libdir=$(dirname "$(dirname "$(find "$prefix" -name octet.pc)")")
export PKG_CONFIG_PATH=$libdir/pkgconfig LD_LIBRARY_PATH=$libdir

fail() { echo "install_test: $*" >&2; exit 1; }
have() { [ -e "$1" ] || fail "$1 is not installed"; }

# What has to be there, and nothing of the inside.
have "$libdir/liboctet.so.0"
have "$libdir/liboctet.a"
have "$libdir/cmake/octet/octetConfig.cmake"
have "$prefix/share/doc/octet/LICENSE"
have "$prefix/share/doc/octet/examples/run_model.c"
have "$prefix/share/doc/octet/examples/quantize_model.cpp"
for header in "$source_root"/include/octet/*; do have "$prefix/include/octet/$(basename "$header")"; done
[ "$(ls "$prefix/include")" = octet ] || fail "more than one folder of headers"
[[ $(readelf -d "$libdir/liboctet.so.0") == *SONAME*liboctet.so.0* ]] || fail "no soname"
if [ -e "$prefix/bin/octet" ]; then
  have "$prefix/share/man/man1/octet-quantize.1"
  have "$prefix/share/bash-completion/completions/octet.bash"
fi

mkdir "$work/programs"
cp "$prefix"/share/doc/octet/examples/* "$work/programs"
cd "$work/programs"
warnings='-Wall -Wextra -Wpedantic -Werror'

# runs PROGRAM shared|static: it works, and is linked as it says.
runs() {
  "./$1" "$model" >"$1.out" || fail "$1 does not run"
  [ -s "$1.out" ] || fail "$1 says nothing"
  if [ "$2" = shared ]; then
    [[ $(ldd "$1") == *'liboctet.so.0 =>'* ]] || fail "$1 does not use the shared library"
  elif [[ $(ldd "$1" 2>/dev/null) == *liboctet* ]]; then
    fail "$1 uses the shared library"
  fi
}

# quantizes PROGRAM OUT: it makes a model that the other programs run.
quantizes() {
  "./$1" "$model" "$2" >"$1.out" || fail "$1 does not run"
  "./c_shared_$cc" "$2" >/dev/null || fail "what $1 made does not run"
}

# shellcheck disable=SC2046,SC2086
by_pkg_config() {
  local cc=$1 cxx=$2 flags
  flags=$(pkg-config --cflags octet)
  $cc -std=c99 $warnings run_model.c $flags $(pkg-config --libs octet) -o "c_shared_$cc"
  runs "c_shared_$cc" shared
  $cxx -std=c++20 $warnings run_model.cpp $flags $(pkg-config --libs octet) -o "cpp_shared_$cc"
  runs "cpp_shared_$cc" shared
  $cc -std=c99 -static $warnings run_model.c $flags $(pkg-config --static --libs octet) -o "c_static_$cc"
  runs "c_static_$cc" static
  $cxx -std=c++20 -static $warnings run_model.cpp $flags $(pkg-config --static --libs octet) -o "cpp_static_$cc"
  runs "cpp_static_$cc" static
  cmp "c_shared_$cc.out" "c_static_$cc.out" || fail "static and shared programs differ"
  $cxx -std=c++20 $warnings quantize_model.cpp $flags $(pkg-config --libs octet) -o "quantize_shared_$cc"
  $cxx -std=c++20 -static $warnings quantize_model.cpp $flags $(pkg-config --static --libs octet) -o "quantize_static_$cc"
  for kind in shared static; do quantizes "quantize_${kind}_$cc" $kind.tflite; done
  cmp shared.tflite static.tflite || fail "static and shared programs quantize differently"
}

by_cmake() {
  local cc=$1 cxx=$2 dir=cmake_$1
  mkdir "$dir"
  cat >"$dir/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.18)
project(examples C CXX)
find_package(octet 0.1 REQUIRED)
foreach(kind "" _static)
  add_executable(c${kind} ../run_model.c)
  set_target_properties(c${kind} PROPERTIES C_STANDARD 99 C_STANDARD_REQUIRED ON)
  target_link_libraries(c${kind} octet::octet${kind})
  add_executable(cpp${kind} ../run_model.cpp)
  target_link_libraries(cpp${kind} octet::octet${kind})
endforeach()
add_executable(quantize ../quantize_model.cpp)
target_link_libraries(quantize octet::octet)
END
  cmake -S "$dir" -B "$dir/build" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc" \
    -DCMAKE_CXX_COMPILER="$cxx" >"$dir/log" 2>&1 || { cat "$dir/log" >&2; fail "CMake ($cc)"; }
  cmake --build "$dir/build" >>"$dir/log" 2>&1 || { cat "$dir/log" >&2; fail "CMake ($cc)"; }
  for name in c cpp; do
    runs "$dir/build/$name" shared
    runs "$dir/build/${name}_static" static
  done
  quantizes "$dir/build/quantize" cmake.tflite
}

as_subproject() {
  local cc=$1 cxx=$2 kind dir
  for kind in shared static; do
    dir=meson_$1_$kind
    mkdir -p "$dir/subprojects"
    ln -s "$source_root" "$dir/subprojects/octet"
    cp run_model.c run_model.cpp quantize_model.cpp "$dir"
    cat >"$dir/meson.build" <<'END'
project('examples', 'c', 'cpp', default_options: ['cpp_std=c++20', 'c_std=c99', 'buildtype=release'])
octet = subproject('octet', default_options: ['program=false', 'tests=false',
  'default_library=' + get_option('default_library')])
octet_dep = dependency('octet')
executable('c', 'run_model.c', dependencies: octet_dep, link_language: 'cpp')
executable('cpp', 'run_model.cpp', dependencies: octet_dep)
executable('quantize', 'quantize_model.cpp', dependencies: octet_dep)
END
    if ! { CC=$cc CXX=$cxx meson setup "$dir/build" "$dir" -Ddefault_library=$kind &&
      ninja -C "$dir/build" c cpp quantize; } >"$dir/log" 2>&1; then
      tail -n 40 "$dir/log" >&2
      fail "subproject ($cc, $kind)"
    fi
    runs "$dir/build/c" $kind
    runs "$dir/build/cpp" $kind
    quantizes "$dir/build/quantize" meson.tflite
  done
}

for family in gcc:g++ clang:clang++; do
  cc='' cxx=''
  for version in '' -19; do
    if [ -z "$cxx" ] && command -v "${family#*:}$version" >/dev/null; then
      cc=${family%:*}$version cxx=${family#*:}$version
    fi
  done
  if [ -z "$cxx" ]; then
    echo "SKIPPED: there is no ${family#*:} here"
    continue
  fi
  by_pkg_config "$cc" "$cxx"
  by_cmake "$cc" "$cxx"
  if [ "${3:-}" = subproject ]; then as_subproject "$cc" "$cxx"; fi
  echo "$cc: C99 and C++20 programs, shared and static, by pkg-config, CMake${3:+ and as a Meson subproject}"
done
