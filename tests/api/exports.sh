#!/bin/sh
# exports.sh LIBRARY: fails when it shows symbols that are not Octet's own.
set -eu
symbols=$(nm --dynamic --defined-only --demangle "$1" | cut -d ' ' -f 3-)
echo "$symbols" | grep -q '^octet_run$' || { echo "octet_run is not there"; exit 1; }
echo "$symbols" | grep -q '^octet::Model::load' || { echo "octet::Model::load is not there"; exit 1; }
others=$(echo "$symbols" | grep -v -e '^octet_[a-z_]*$' -e '^octet::' || true)
internal=$(echo "$symbols" | grep -e '^octet::GraphExecutor' -e '^octet::ModelData' -e '::Data::' || true)
[ -z "$others$internal" ] || { echo "not part of the interface:"; echo "$others"; echo "$internal"; exit 1; }
