#!/usr/bin/env bash
# Makes all packages: the libraries, the templates, and the tool as native code for x86-64, with one that needs the runtime for other machines.
# Native code needs a C compiler and zlib's headers (Debian: gcc or clang, zlib1g-dev). With --no-native the tool needs the runtime everywhere.
# --no-build packs the libraries as they are built.
# usage: eng/pack.sh [--no-native] [--no-build] DIRECTORY
set -euo pipefail
native=1 build=()
while [ $# -gt 1 ]; do
  case $1 in --no-native) native=0 ;; --no-build) build=(--no-build) ;; *) break ;; esac
  shift
done
[ $# = 1 ] || { echo "usage: eng/pack.sh [--no-native] [--no-build] DIRECTORY"; exit 2; }
mkdir -p "$1"; packages=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
pack() { dotnet pack "$@" --configuration Release --nologo -v quiet --output "$packages" -p:RunAnalyzers=false -p:ContinuousIntegrationBuild=true; }

pack Isolation.sln "${build[@]}"
tool=(samples/Isolation.Launcher/Isolation.Launcher.csproj --artifacts-path "$work" -p:ToolPackages=true)
# Another directory for what is built: the runtimes of the tool would be those of every build after this one.
if [ $native = 1 ]; then pack "${tool[@]}" --runtime linux-x64; else tool+=(-p:ToolRuntimes=any); fi
pack "${tool[@]}"
pack "${tool[@]}" --runtime any
rm -f "$packages"/Isolation.Launcher*.snupkg
ls "$packages"
