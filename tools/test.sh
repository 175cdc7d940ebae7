# Running and counting the tests; sourced, never run.
# shellcheck shell=bash disable=SC2034,SC2154

passed=0 failed=0 skipped=0

# The models are large and live beside the checkout; tests that need them say SKIPPED without them.
use_models() {
  if [ -z "${OCTET_MODELS:-}" ] && [ -d "$root/../shared/models" ]; then
    OCTET_MODELS=$(cd "$root/../shared/models" && pwd)
    export OCTET_MODELS
  fi
}

# count LOG: adds up one of Meson's test logs; prints "passed failed skipped".
# A test case that says SKIPPED (once or more, plainly or as doctest's MESSAGE) passed for doctest, not for
# us. A program that fails without a failed case (a crash, a sanitizer, a time limit) is a failure, and one
# that has no doctest in it is one test. What counts as failing is Meson's to say: a program may be expected to,
# or skip itself. It says so in the other log only, LOG with .json, which has the programs in the same order.
count() {
  grep -o '"result": "[A-Z]*"' "${1%.txt}.json" | cut -d '"' -f 4 | awk '
    function close_program() {
      if (!open) return
      if (verdict == "SKIP") s++
      else if (!summary) { if (ok) p++; else f++ }
      else if (!ok && !pf) f++
      open = 0
    }
    FILENAME == "-" { verdicts[++n] = $0; next }
    /^=+ [0-9]+\/[0-9]+ =+$/ {
      close_program()
      open = 1; summary = pf = 0
      verdict = verdicts[++program]; ok = verdict ~ /^(OK|EXPECTEDFAIL)$/
      next
    }
    /^TEST CASE:/ { said = 0 }
    /^SKIPPED: / { s++; p--; next }
    /MESSAGE: *SKIPPED: / { if (!said) { s++; p-- } said = 1; next }
    /^\[doctest\] test cases:/ {
      gsub(/\033\[[0-9;]*m/, "")
      split($0, part, "|")
      p += part[2] + 0; f += part[3] + 0; s += part[4] + 0
      pf += part[3] + 0; summary = 1
    }
    END { close_program(); print p + 0, f + 0, s + 0 }' - "$1"
}

add() { passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3)); }

closing_line() {
  echo "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" = 0 ]
}

# run_programs LABEL DIR [MESON TEST OPTIONS...]: all test programs of a build folder.
run_programs() {
  local label=$1 dir=$2 start=$SECONDS log counts
  shift 2
  log=${label//[^a-zA-Z0-9]/_}
  say "== tests: $label"
  rm -f "$dir/meson-logs/$log".{txt,json}
  meson test -C "$dir" --no-rebuild --print-errorlogs --num-processes "$jobs" --logbase "$log" "$@" >&2 || true
  if [ ! -f "$dir/meson-logs/$log.txt" ]; then
    say "$label: no test ran"
    add 0 1 0
    return
  fi
  counts=$(count "$dir/meson-logs/$log.txt")
  # shellcheck disable=SC2086
  add $counts
  # shellcheck disable=SC2086
  printf '%s: %d passed, %d failed, %d skipped (%d s)\n' "$label" $counts $((SECONDS - start))
}

build_tests() {
  cmd_setup "${test_packages[@]}"
  build_tree build native -Dtests=true -- all meson-test-prereq
}

# ---- emulated CPUs --------------------------------------------------------------------------------

# fake_root DIR TRIPLET CPU: a root for qemu whose /proc/cpuinfo is that of another CPU. qemu emulates the
# instructions of a model, but /proc/cpuinfo stays the host's, and it is where XNNPACK's choice of kernels
# tuned for one core comes from.
fake_root() {
  local dir=$1 triplet=$2 cpu=$3 part features architecture=8 i
  case $cpu in
    cortex-a7) part=0xc07 architecture=7 features='half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm' ;;
    cortex-a53) part=0xd03 features='fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid' ;;
    *) die "no /proc/cpuinfo for $cpu" ;;
  esac
  mkdir -p "$dir/proc"
  ln -sfn "/usr/$triplet/lib" "$dir/lib"
  for i in 0 1 2 3; do
    printf 'processor\t: %d\nBogoMIPS\t: 38.40\nFeatures\t: %s\nCPU implementer\t: 0x41\n' "$i" "$features"
    printf 'CPU architecture: %d\nCPU variant\t: 0x0\nCPU part\t: %s\nCPU revision\t: 4\n\n' "$architecture" "$part"
  done >"$dir/proc/cpuinfo"
}

# test_emulated TARGET: all programs on one CPU model, and those that depend on the CPU on each other one,
# because XNNPACK has other kernels for each. Those leave out the conformance cases of real size.
test_emulated() {
  local target=$1 dir=build-$1 models model suite=()
  unset OCTET_SMALL_CASES
  target_vars "$target"
  case $target in
    aarch64) models='cortex-a53 fake:cortex-a53 max' ;;
    armhf) models='fake:cortex-a7 cortex-a15 max' ;;
  esac
  export OCTET_EMULATED=1
  for model in $models; do
    export QEMU_CPU=${model#fake:}
    unset OCTET_QEMU_ROOT
    if [[ $model == fake:* ]]; then
      export OCTET_QEMU_ROOT=$root/$dir/root-$QEMU_CPU
      fake_root "$OCTET_QEMU_ROOT" "$triplet" "$QEMU_CPU"
    fi
    run_programs "$target ${model/fake:/as a real }" "$dir" --timeout-multiplier 10 "${suite[@]}"
    suite=(--suite cpu)
    export OCTET_SMALL_CASES=1
  done
  closing_line
}
