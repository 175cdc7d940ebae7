#!/usr/bin/env bash
# A file includes its own folder and the folders to its left; foreign libraries stay in one place each.
set -euo pipefail
cd "$(dirname "$0")/.."

git ls-files '*.cpp' '*.hpp' '*.h' '*.c' | xargs -d '\n' -r grep -Hn '^ *# *include' | awk -F: '
  BEGIN {
    n = split("schema kernels runtime quant cli", order, " ")
    for (i = 1; i <= n; i++) level[order[i]] = i
    level["bench"] = level["tests"] = n + 1
  }
  function complain(why) { print $1 ":" $2 ": " why ": " $3 > "/dev/stderr"; bad = 1 }
  {
    folder = $1; sub(/\/.*/, "", folder)
    header = $3; sub(/^[^"<]*["<]/, "", header); sub(/[">].*/, "", header)
    into = header; sub(/\/.*/, "", into)
    # include/octet is the library as its users see it.
    if (into == "octet") into = "runtime"
    if (into in level && folder in level && into != folder && level[into] >= level[folder])
      complain(folder "/ may not know " into "/")
    if (header ~ /^(flatbuffers\/|.*_generated\.h)/ && $1 !~ /^schema\/flatbuffer\// && folder != "tests")
      complain("FlatBuffers stay in schema/flatbuffer/")
    if (header ~ /^(xnnpack|cpuinfo)\.h$/ && folder != "kernels" && folder != "tests")
      complain("XNNPACK stays in kernels/")
    if (header == "pthreadpool.h" && folder != "kernels" && $1 !~ /^runtime\/thread_pool\./)
      complain("pthreadpool stays in kernels/ and the thread pool")
  }
  END { exit bad }'
