#!/usr/bin/env bash
# Compiles the launcher ahead of time into one program for x86-64: in the emulated machine that starts in 0.4 s, the assemblies in 9 s, even precompiled.
# What was compiled once is kept by the content of the launcher's assemblies among TESTS. Ends with 1 where it cannot be compiled.
# usage: compile-launcher.sh TESTS PROGRAM
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tests=$1 program=$2 cache=${XDG_CACHE_HOME:-$HOME/.cache}/isolation/precompiled
mkdir -p "$cache"
compiled=$cache/launcher.$(cat "$tests"/Isolation.{Linux,Namespaces,Cgroups,Security,Net,Containers,Launcher}.dll | sha256sum | cut -c1-16)
if [ ! -f "$compiled" ]; then
  work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
  dotnet publish "$here/../../samples/Isolation.Launcher" --artifacts-path "$work" --output "$work/program" --configuration Release --runtime linux-x64 --nologo -v quiet \
    -p:PublishAot=true -p:CppCompilerAndLinker=gcc -p:StripSymbols=false -p:RunAnalyzers=false >&2 || {
    echo "compile-launcher.sh: the launcher could not be compiled ahead of time; its tests will be slower." >&2; exit 1; }
  mv "$work/program/Isolation.Launcher" "$compiled.new"; mv "$compiled.new" "$compiled"
fi
touch "$compiled"; cp "$compiled" "$program"
