# clang-format and clang-tidy; sourced, never run.
# shellcheck shell=bash disable=SC2034,SC2154

sources() { git ls-files '*.cpp' '*.hpp' '*.h' '*.c'; }

# Lint reads the sources as they are compiled, a room at a time: most of what it costs is headers. Ninja has to
# have compiled them, for it knows from the compiler what each was made of.
build_for_lint() {
  cmd_setup "${test_packages[@]}" "${bench_packages[@]}" "${tidy_packages[@]}"
  build_tree build native -Dtests=true -Dbench=true -- all meson-test-prereq bench/kernels_bench bench/int8_speed
}

# tidy_keys DIR: "hash source" for every translation unit of the build: the hash covers all that a lint of it
# reads and we can change (the file, our headers it includes, the command line, the rules, the tool).
tidy_keys() {
  local dir=$1 rules
  rules=$( (cat .clang-tidy tools/tidy.sh; clang-tidy-19 --version) | sha256sum | cut -c 1-16)
  awk -v dir="$dir" '
       /"command":/ { command = $0 }
       /"file":/ {
         gsub(/.*"file": "|",?$/, "")
         if (!sub(/^\.\.\//, "")) $0 = dir "/" $0  # made by Meson
         print $0 "\t" command
       }' "$dir/compile_commands.json" >"$dir/tidy.commands"
  # Ninja knows from the compiler what each object was made of: "object: #deps N..." and one path a line.
  ninja -C "$dir" -t deps | awk -v dir="$dir" '
    /^[^ ]/ { source = ""; next }
    /^ +[^\/ ]/ {  # an absolute path is not of this tree
      path = $1
      if (!sub(/^\.\.\//, "", path)) path = dir "/" path
      if (source == "") source = path
      print source "\t" path
    }' | sort -u >"$dir/tidy.deps"
  cut -f 2 "$dir/tidy.deps" | sort -u | xargs -d '\n' sha256sum >"$dir/tidy.hashes"
  awk -F '\t' -v rules="$rules" '
    FILENAME == ARGV[1] { hash = $0; sub(/ .*/, "", hash); path = $0; sub(/^[^ ]* +/, "", path); of[path] = hash; next }
    FILENAME == ARGV[2] { flags[$1] = $2; next }
    $1 in flags { if (!($1 in text)) order[++n] = $1; text[$1] = text[$1] " " of[$2] }
    END { for (i = 1; i <= n; i++) print order[i] "\t" rules flags[order[i]] text[order[i]] }
  ' "$dir/tidy.hashes" "$dir/tidy.commands" "$dir/tidy.deps" | while IFS=$'\t' read -r source text; do
    read -r hash _ < <(sha256sum <<<"$text")
    echo "$hash $source"
  done
}

# tidy_one DIR FILE. Tests compute indices of small shapes in int.
tidy_one() {
  local checks=''
  [[ $2 != *tests/* ]] || checks=--checks=-bugprone-misplaced-widening-cast
  clang-tidy-19 --quiet ${checks:+"$checks"} -p "$1" "$2" 2>&1 | grep -v 'warnings generated\|^Suppressed\|^Use -header-filter' >&2
  return "${PIPESTATUS[0]}"
}

# tidy DIR [FILES...]: lints these, or all that is not known to be clean. Only clean results are remembered, so a
# complaint comes back until it is mended.
tidy() (
  dir=$1
  shift
  for file; do tidy_one "$dir" "$file" || failed=1; done
  [ $# = 0 ] || exit "${failed:-0}"
  known=$cache/tidy
  mkdir -p "$known"
  total=0 todo=()
  while read -r hash source; do
    total=$((total + 1))
    [ -e "$known/$hash" ] || todo+=("$hash" "$source")
  done < <(tidy_keys "$dir")
  [ "$total" -gt 0 ] || die "nothing to lint; is the tree built?"
  say "clang-tidy: $((${#todo[@]} / 2)) of $total units to look at"
  [ ${#todo[@]} = 0 ] && exit 0
  export dir known
  export -f tidy_one
  # shellcheck disable=SC2016  # for the inner shell
  printf '%s\n' "${todo[@]}" | xargs -d '\n' -n 2 -P "$jobs" bash -c 'tidy_one "$dir" "$2" && : >"$known/$1"' tidy
)
