#!/usr/bin/env bash
# Fuzzes the decoders, guided by coverage: AFL++ and SharpFuzz, which it installs (Debian, Ubuntu). Needs a Release build.
#   eng/fuzz.sh [MINUTES] [TARGET...]   so long for each target (default 1; 0.1 is six seconds), all targets where none is named
# First runs the corpus as it is. What is found is kept in ~/.cache/isolation/fuzz/TARGET, and the next run goes on from there; a finding is
# run again by   dotnet tests/Isolation.Fuzz/bin/Release/net10.0/Isolation.Fuzz.dll TARGET FILE
# Ends with executions, paths and findings by target, and as a run of tests does: succeeded, failed.
set -uo pipefail
cd "$(dirname "$0")/.."
minutes=${1:-1}; [ $# = 0 ] || shift
built=tests/Isolation.Fuzz/bin/Release/net10.0 cache=${XDG_CACHE_HOME:-$HOME/.cache}/isolation/fuzz
[ -f $built/Isolation.Fuzz.dll ] || { echo "fuzz.sh: $built is missing; build the solution first (dotnet build -c Release)." >&2; exit 2; }
sudo=(); [ "$(id -u)" = 0 ] || sudo=(sudo)
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1
command -v afl-fuzz >/dev/null || { "${sudo[@]}" apt-get update -qq && "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends afl++ >/dev/null; } || exit 2
mkdir -p "$cache"
version=$(sed -nE 's/.*Include="SharpFuzz" Version="([^"]+)".*/\1/p' Directory.Packages.props)
[ -x "$cache/tool/$version/sharpfuzz" ] || dotnet tool install SharpFuzz.CommandLine --version "$version" --tool-path "$cache/tool/$version" >/dev/null || exit 2
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT

# A copy whose branches count themselves.
cp -r $built "$work/instrumented"
for assembly in Linux Namespaces Cgroups Security Net Containers; do
  "$cache/tool/$version/sharpfuzz" "$work/instrumented/Isolation.$assembly.dll" || exit 2
done
program=Isolation.Fuzz.dll
mapfile -t targets < <([ $# -gt 0 ] && printf '%s\n' "$@" || dotnet $built/$program --targets)
dotnet $built/$program --seeds "$work/corpus" && cp -r tests/Isolation.Fuzz/corpus/. "$work/corpus"

# No core pattern and no governor of the host is changed, nor asked for.
export AFL_SKIP_BIN_CHECK=1 AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_NO_UI=1 AFL_AUTORESUME=1 AFL_NO_AFFINITY=1 NO_COLOR=1
export DOTNET_TieredPGO=0 DOTNET_gcServer=0 DOTNET_gcConcurrent=0
succeeded=0 failed=0
printf '%-20s %12s %8s %8s %6s\n' target executions paths findings hangs
for target in "${targets[@]}"; do
  dotnet $built/$program "$target" "$work/corpus/$target" > "$work/log" || { grep '^failed' "$work/log"; failed=$((failed + 1)); continue; }
  findings=$cache/$target
  options=() dictionary=tests/Isolation.Fuzz/dictionaries/$target.dict; [ -f "$dictionary" ] && options=(-x "$dictionary")
  afl-fuzz -i "$work/corpus/$target" -o "$findings" "${options[@]}" -t 5000 -m none -V "$(awk "BEGIN {print int($minutes * 60 + 0.5)}")" -- dotnet "$work/instrumented/$program" "$target" > "$work/log" 2>&1
  statistics=$findings/default/fuzzer_stats
  # Statistics that are older than this run are the last one's.
  number() { sed -nE "s/^$1 *: ([0-9]+).*/\1/p" "$statistics" | head -1; }
  if [ "$statistics" -nt "$work/corpus" ] && [ "$(number execs_done)" -gt 0 ]; then
    crashes=$(find "$findings"/*/crashes -type f -name 'id*' 2>/dev/null | wc -l) hangs=$(find "$findings"/*/hangs -type f -name 'id*' 2>/dev/null | wc -l)
    printf '%-20s %12s %8s %8s %6s\n' "$target" "$(number execs_done)" "$(number corpus_count)" "$crashes" "$hangs"
    if [ "$((crashes + hangs))" = 0 ]; then succeeded=$((succeeded + 1)); continue; fi
    echo "failed fuzz.$target: see $findings/default/crashes and hangs"
  else
    echo "failed fuzz.$target: afl-fuzz did not run it:"; tail -25 "$work/log"
  fi
  failed=$((failed + 1))
done
echo "  succeeded: $succeeded"; echo "  failed: $failed"
[ $failed = 0 ]
