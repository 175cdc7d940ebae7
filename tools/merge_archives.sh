#!/bin/sh
# merge_archives.sh AR OUT ARCHIVE...: one archive with the members of all, thin ones included.
set -eu
ar=$1 out=$2
shift 2
rm -f "$out"
{
  echo "create $out"
  for archive in "$@"; do echo "addlib $archive"; done
  printf 'save\nend\n'
} | "$ar" -M
"$ar" s "$out"
