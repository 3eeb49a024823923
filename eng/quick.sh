#!/usr/bin/env bash
# Builds one test project and runs it, without analyzers: seconds where the whole takes minutes. Kernel tests get mounts of their own.
#   eng/quick.sh Containers                                  tests/Isolation.Containers.Tests
#   eng/quick.sh Kernel --filter-class '*OutputTests'        some classes; what follows the name goes to the tests
#   eng/quick.sh --user Kernel --filter-class '*OutputTests' as the ordinary user of eng/test.sh
set -euo pipefail
cd "$(dirname "$0")/.."
user=0; [ "${1:-}" != --user ] || { user=1; shift; }
[ $# -ge 1 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 2; }
name=$1; shift
project=tests/Isolation.$name.Tests; [ -d "$project" ] || project=tests/Isolation.$name
[ -d "$project" ] || { echo "quick.sh: there is no tests/Isolation.$name.Tests. There are: $(ls tests | sed -n 's/^Isolation\.\(.*\)\.Tests$/\1/p' | paste -sd' ')" >&2; exit 2; }
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1
dotnet build "$project" --configuration Release --nologo -v quiet -p:RunAnalyzers=false
assembly=${project#tests/} directory=$project/bin/Release/net10.0
run=(dotnet "$assembly.dll" --no-progress "$@")
if [ $user = 1 ]; then
  copy=$(mktemp -d); trap 'rm -rf "$copy"' EXIT
  cp -r "$directory" "$copy/tests"; chmod -R a+rX "$copy"; mkdir -m 1777 "$copy/results"; cd "$copy/tests"
  run=(runuser -u isolation-test -- env HOME=/home/isolation-test PATH="$PATH" "${run[@]}" --results-directory "$copy/results")
else
  cd "$directory"
fi
if [ "$(id -u)" = 0 ] && [ "$name" = Kernel ]; then run=(unshare --mount --propagation private "${run[@]}"); fi
"${run[@]}"
