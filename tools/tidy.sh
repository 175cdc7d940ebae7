# clang-format and clang-tidy; sourced, never run.
# shellcheck shell=bash disable=SC2034,SC2154

sources() { git ls-files '*.cpp' '*.hpp' '*.h' '*.c'; }

# Version 19, which both Debian 12 and 13 have; another one would want another layout.
need_clang_tool() {
  clang_tool=$1-19
  command -v "$clang_tool" >/dev/null || die "no $clang_tool here; run ./dev setup"
}

check_format() {
  need_clang_tool clang-format
  sources | xargs -d '\n' -r -P "$jobs" -n 16 "$clang_tool" --dry-run -Werror
}

# tidy_keys DIR: "hash source" for every source file of the build: the hash covers all that a lint of it
# reads and we can change (the file, our headers it includes, the command line, the rules, the tool).
tidy_keys() {
  local dir=$1 rules
  rules=$( (cat .clang-tidy tests/.clang-tidy; "$clang_tool" --version) | sha256sum | cut -c 1-16)
  awk '/"command":/ { command = $0 }
       /"file":/ { gsub(/.*"file": "\.\.\/|",?$/, ""); print $0 "\t" command }' "$dir/compile_commands.json" >"$dir/tidy.commands"
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

# tidy DIR [FILES...]: lints what is not known to be clean. Only clean results are remembered, so a
# complaint comes back until it is mended.
tidy() (
  dir=$1
  shift
  need_clang_tool clang-tidy
  known=$cache/tidy
  mkdir -p "$known"
  total=0 todo=()
  while read -r hash source; do
    if [ $# -gt 0 ] && [[ " $* " != *" $source "* ]]; then continue; fi
    total=$((total + 1))
    [ -e "$known/$hash" ] || todo+=("$hash" "$source")
  done < <(tidy_keys "$dir")
  [ "$total" -gt 0 ] || die "nothing to lint; is ${*:-the tree} part of the build?"
  say "clang-tidy: $((${#todo[@]} / 2)) of $total files to look at"
  [ ${#todo[@]} = 0 ] && exit 0
  # Precompiled headers are gcc's own. Without them each file has to include what it uses, too.
  mkdir -p "$dir/tidy"
  sed -E 's/ -include [a-z]+\.hpp / /' "$dir/compile_commands.json" >"$dir/tidy/compile_commands.json"
  export clang_tool dir known
  # shellcheck disable=SC2016  # for the inner shell
  printf '%s\n' "${todo[@]}" | xargs -d '\n' -n 2 -P "$jobs" bash -c '
    if out=$("$clang_tool" --quiet -p "$dir/tidy" "$2" 2>&1); then
      : >"$known/$1"
    else
      printf "%s\n" "$out" | grep -v "warnings generated\|^Suppressed\|^Use -header-filter" >&2
      exit 1
    fi' tidy
)
