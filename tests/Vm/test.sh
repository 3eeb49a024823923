#!/usr/bin/env bash
# Runs kernel tests in the test machine: builds it where it is not in the cache, packs the .NET runtime and the built tests, boots, returns the tests' exit code.
# Needs a Release build. usage: tests/Vm/test.sh [--min|--systemd|--selinux] [TEST-RUNNER ARGUMENTS]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mode=--systemd; case ${1:-} in --min|--systemd|--selinux) mode=$1; shift;; esac
[ $# -gt 0 ] || set -- --filter-namespace Isolation.Kernel.Tests.Cgroups --filter-namespace Isolation.Kernel.Tests.Security
sudo=(); [ "$(id -u)" = 0 ] || sudo=(sudo)
ISOLATION_VM=$("${sudo[@]}" env HOME="$HOME" DEBIAN_MIRROR="${DEBIAN_MIRROR:-}" bash "$here/build.sh" "${ISOLATION_VM:-}"); export ISOLATION_VM
tests=$here/../Isolation.Kernel.Tests/bin/Release/net10.0
[ -d "$tests" ] || { echo "test.sh: $tests is missing; build the solution first (dotnet build -c Release)." >&2; exit 125; }
payload=$(mktemp -d); trap 'rm -rf "$payload"' EXIT
dotnet=$(dirname "$(readlink -f "$(command -v dotnet)")")
runtime=$(ls -d "$dotnet"/shared/Microsoft.NETCore.App/10.* | sort -V | tail -1)
mkdir -p "$payload/dotnet/shared/Microsoft.NETCore.App"
cp "$dotnet/dotnet" "$payload/dotnet/"; cp -r "$dotnet/host" "$payload/dotnet/"; cp -r "$runtime" "$payload/dotnet/shared/Microsoft.NETCore.App/"
cp -r "$tests" "$payload/tests"
{
  echo '#!/bin/sh'
  # Code is emulated: what compiles less is faster.
  echo 'export DOTNET_ROOT=/mnt/host/dotnet DOTNET_TieredPGO=0 DOTNET_TC_CallCounting=0 DOTNET_NOLOGO=1 ISOLATION_TEST_MACHINE=1'
  echo 'cd /mnt/host/tests; result=0'
  printf '/mnt/host/dotnet/dotnet Isolation.Kernel.Tests.dll --no-progress'; printf ' %q' "$@"; echo ' || result=$?'
  if [ "$mode" != --min ]; then
    # An ordinary user, to whom systemd delegates a scope.
    echo 'runuser -u tester -- env XDG_RUNTIME_DIR=/run/user/1000 DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus HOME=/home/tester \'
    printf '  systemd-run --user --scope -q -p Delegate=yes /mnt/host/dotnet/dotnet Isolation.Kernel.Tests.dll --no-progress'; printf ' %q' "$@"; echo ' || result=$?'
  fi
  echo 'exit $result'
} > "$payload/run"
chmod +x "$payload/run"
bash "$here/run.sh" "$mode" "$payload"
