#!/usr/bin/env bash
# Compiles assemblies for x86-64 ahead of time, in place: in the emulated machine a program that compiles itself takes seconds to start. What was
# compiled once is kept by content. Where the compiler cannot be had, the assemblies stay as they are. usage: precompile.sh RUNTIME DIRECTORY
set -euo pipefail
runtime=$1 directory=$2 cache=${XDG_CACHE_HOME:-$HOME/.cache}/isolation/precompiled
mkdir -p "$cache"
project=$(mktemp -d); trap 'rm -rf "$project"' EXIT
# The SDK knows which version of the compiler belongs to it.
cat > "$project/compiler.csproj" <<'P'
<Project Sdk="Microsoft.NET.Sdk"><PropertyGroup><TargetFramework>net10.0</TargetFramework><RuntimeIdentifier>linux-x64</RuntimeIdentifier><SelfContained>false</SelfContained><PublishReadyToRun>true</PublishReadyToRun></PropertyGroup></Project>
P
if ! dotnet restore "$project" -v quiet >&2; then echo "precompile.sh: the compiler could not be fetched; all will be slower." >&2; exit 0; fi
packages=$(dotnet msbuild "$project/compiler.csproj" -getProperty:NuGetPackageRoot)
compiler=$(ls -d "${packages%/}"/microsoft.netcore.app.crossgen2.linux-x64/10.*/tools/crossgen2 | sort -V | tail -1)
# The code fits the assemblies that it was compiled against: one change makes all anew, but for those of others.
own=$(cat "$directory"/Isolation.*.dll | sha256sum | cut -c1-16)
for assembly in "$directory"/*.dll; do
  case ${assembly##*/} in Isolation.*) key=$own ;; *) key=$(sha256sum "$assembly" | cut -c1-16) ;; esac
  compiled=$cache/${assembly##*/}.$key.${runtime##*/}
  [ -f "$compiled" ] || { "$compiler" "$assembly" -o "$compiled.new" -r "$runtime/*.dll" -r "$directory/*.dll" --targetos linux --targetarch x64 -O >/dev/null 2>&1 && mv "$compiled.new" "$compiled"; } || { rm -f "$compiled.new"; continue; }
  cp "$compiled" "$assembly"
done
find "$cache" -type f -mtime +30 -delete
