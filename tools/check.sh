# What has to hold beside the native tests; sourced, never run.
# shellcheck shell=bash disable=SC2034,SC2154

# check [STEP...]: these steps, or all but threads, which is run by name. Each adds to the closing line.
check() {
  local step steps=("$@")
  [ $# -gt 0 ] || steps=(format lint headers install bench reader sanitize)
  for step in "${steps[@]}"; do
    case $step in
      format | lint | headers | install | bench | reader | sanitize | threads) ;;
      *) die "no check is called '$step' (format, lint, headers, install, bench, reader, sanitize, threads)" ;;
    esac
  done
  for step in "${steps[@]}"; do "check_$step"; done
  closing_line
}

# run_check LABEL COMMAND...: counts as one test.
run_check() {
  local label=$1 start=$SECONDS
  shift
  say "== check: $label"
  if ("$@") >&2; then add 1 0 0; else add 0 1 0; say "$label: failed"; fi
  say "$label: $((SECONDS - start)) s"
}

check_format() {
  install_packages "${format_packages[@]}"
  run_check format is_laid_out
}

is_laid_out() { sources | xargs -d '\n' -r -P "$jobs" -n 16 clang-format-19 --dry-run -Werror; }

check_lint() {
  build_for_lint
  run_check lint tidy build
}

# The benchmarks can be built, and what they would measure is set up; nothing is timed.
check_bench() {
  cmd_setup "${test_packages[@]}" "${bench_packages[@]}"
  build_tree build native -Dtests=true -Dbench=true -- bench/kernels_bench bench/int8_speed
  run_check 'bench kernels' build/bench/kernels_bench --benchmark_list_tests
  run_check 'bench int8' build/bench/int8_speed --benchmark_list_tests
}

# What is written for TensorFlow Lite, run by it: OCTET_TFLITE names a program that does (README.md).
check_reader() {
  if [ -z "${OCTET_TFLITE:-}" ]; then
    say 'reader: SKIPPED: OCTET_TFLITE names no program that runs models with TensorFlow Lite'
    add 0 0 1
    return
  fi
  cmd_setup "${test_packages[@]}"
  build_tree build native -Dtests=true -- tests/octet_tests
  run_check reader build/tests/octet_tests --no-intro --source-file='*tests/second_reader_test.cpp'
}

# Sanitizers make gcc's own warnings unreliable, and they were errors in the normal build already.
sanitizer_options=(-Db_lundef=false -Doptimization=1 -Ddebug=false -Dwerror=false -Dtests=true)

check_sanitize() {
  cmd_setup "${test_packages[@]}"
  build_tree build-asan native "${sanitizer_options[@]}" -Db_sanitize=address,undefined \
    -Dcpp_args=-fno-sanitize-recover=undefined -- meson-test-prereq
  run_programs 'address and undefined-behaviour sanitizers' build-asan --timeout-multiplier 4
}

# Tests of kernels and executors, which share work among threads. The sanitizer has to know where its shadow
# is: without randomized addresses.
check_threads() {
  cmd_setup "${test_packages[@]}"
  build_tree build-tsan native "${sanitizer_options[@]}" -Db_sanitize=thread -- meson-test-prereq
  OCTET_SMALL_CASES=1 run_programs 'thread sanitizer' build-tsan --timeout-multiplier 10 --wrapper 'setarch -R'
}

# Every header compiles by itself, a public one with both compilers; octet.h in C, too.
check_headers() {
  cmd_setup "${test_packages[@]}" "${tidy_packages[@]}"
  build_tree build native -- schema/model_generated.h
  run_check headers compile_headers
}

compile_headers() (
  use_ccache
  mkdir -p build/headers
  flags="-Iinclude -I. -Ibuild/schema -isystem $(cmd_prefix native)/include"
  export flags
  export -f compile_header
  while read -r header; do
    printf '%s\n' "g++ c++20 $header"
    [[ $header != include/* ]] || printf '%s\n' "clang++-19 c++20 $header"
    [[ $header != include/*.h ]] || printf '%s\n' "gcc c99 $header" "clang-19 c99 $header"
  done < <(git ls-files '*.hpp' '*.h') | xargs -d '\n' -P "$jobs" -n 1 bash -c 'compile_header $1' headers
)

# compile_header COMPILER STANDARD HEADER: through a file of one line, for ccache's sake.
compile_header() {
  local compiler=$1 standard=$2 header=$3 ending=cpp unit
  [ "$standard" != c99 ] || ending=c
  unit=build/headers/${header//\//_}.$compiler.$ending
  [ -e "$unit" ] || printf '#include "%s"\n' "${header#include/}" >"$unit"
  # shellcheck disable=SC2086
  $(command -v ccache) "$compiler" -std="$standard" -Wall -Wextra -Wpedantic -Werror -Wno-psabi $flags -c "$unit" -MD -MF "$unit.d" -o "$unit.o" ||
    { echo "$header does not compile by itself ($compiler, $standard)" >&2; return 1; }
}

# What `meson install` brings is all that a program needs. As a Meson subproject of a program (which compiles the
# library anew) with OCTET_SUBPROJECT=1.
check_install() {
  cmd_setup "${test_packages[@]}" "${tidy_packages[@]}" "${consumer_packages[@]}"
  build_tree build native
  run_check install tools/install_test.sh build demo/glyphs.tflite ${OCTET_SUBPROJECT:+subproject}
}
