#!/usr/bin/env bash
# The main job on the bundled network: a float model that reads 36 kinds of glyphs becomes an int8 one.
# Shows each command as a user would type it, then a table of before and after.
set -euo pipefail
cd "$(dirname "$0")/.."
octet=build/octet
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
int8=$out/glyphs.int8.tflite

show() { printf '\n$ %s\n' "${*//$out\//}"; "$@"; }

# number KEY < JSON: the first number with this key.
number() { grep -oE "\"$1\": *[-0-9.e+]+" | head -n 1 | sed 's/.*: *//'; }

show $octet inspect demo/glyphs.tflite
show $octet quantize demo/glyphs.tflite --data demo/calibration.npy -o "$int8"
show $octet evaluate "$int8" --data demo/test.npy --labels demo/test_labels.txt --against demo/glyphs.tflite
show $octet bench demo/glyphs.tflite "$int8" --vs --threads 1

evaluate() { $octet evaluate "$1" --data demo/test.npy --labels demo/test_labels.txt --against demo/glyphs.tflite --json; }
latency() { $octet bench "$1" --threads 1 --json | number median; }
row() { printf '%-26s %12s %12s\n' "$@"; }
echo
row '' float int8
row 'size, bytes' "$(stat -c %s demo/glyphs.tflite)" "$(stat -c %s "$int8")"
row 'latency, us (median)' "$(latency demo/glyphs.tflite)" "$(latency "$int8")"
row 'top-1 accuracy' "$(evaluate demo/glyphs.tflite | number top1)" "$(evaluate "$int8" | number top1)"
row 'agreement with float' 1 "$(evaluate "$int8" | number agreement)"
echo
echo 'The int8 layers that are furthest from float:'
$octet compare demo/glyphs.tflite "$int8" --data demo/test.npy --layers | awk '/SQNR/ && /layer/ { on = 1 } on && n++ < 6'
