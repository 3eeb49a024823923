#!/usr/bin/env bash
# Runs kernel tests in the test machine: builds it where it is not in the cache, packs the .NET runtime and the built tests, boots, returns the tests' exit code.
# Needs a Release build.
# usage: tests/Vm/test.sh [--kernel 6.12|6.1] [--min|--v1|--systemd|--selinux] [--as root|user|both] [--all] [TEST-RUNNER ARGUMENTS]
#   --as    who runs them; both is the default, with --min and --v1 root
#   --all   the whole suite: takes an hour. Without, and without arguments, that of control groups and security.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
kernel=6.12; [ "${1:-}" != --kernel ] || { kernel=${2:?test.sh: --kernel 6.12 or 6.1}; shift 2; }
mode=--systemd; case ${1:-} in --min|--v1|--systemd|--selinux) mode=$1; shift;; esac
users=both; case $mode in --min|--v1) users=root;; esac
[ "${1:-}" != --as ] || { users=${2:?test.sh: --as root, user or both}; shift 2; }
if [ "${1:-}" = --all ]; then shift
elif [ $# = 0 ]; then set -- --filter-namespace Isolation.Kernel.Tests.Cgroups --filter-namespace Isolation.Kernel.Tests.Security
fi
sudo=(); [ "$(id -u)" = 0 ] || sudo=(sudo)
ISOLATION_VM=$("${sudo[@]}" env HOME="$HOME" DEBIAN_MIRROR="${DEBIAN_MIRROR:-}" bash "$here/build.sh" "${ISOLATION_VM:-}"); export ISOLATION_VM
tests=$here/../Isolation.Kernel.Tests/bin/Release/net10.0
[ -d "$tests" ] || { echo "test.sh: $tests is missing; build the solution first (dotnet build -c Release)." >&2; exit 125; }
payload=$(mktemp -d); trap 'rm -rf "$payload"' EXIT
dotnet=$(dirname "$(readlink -f "$(command -v dotnet)")")
runtime=$(ls -d "$dotnet"/shared/Microsoft.NETCore.App/10.* | sort -V | tail -1)
mkdir -p "$payload/dotnet/shared/Microsoft.NETCore.App"
cp "$dotnet/dotnet" "$payload/dotnet/"; cp -r "$dotnet/host" "$payload/dotnet/"; cp -r "$runtime" "$payload/dotnet/shared/Microsoft.NETCore.App/"
cp -r "$tests" "$payload/tests"; rm -rf "$payload/tests/TestResults"
bash "$here/precompile.sh" "$runtime" "$payload/tests"
path=/mnt/host/dotnet
# Hundreds of tests start the launcher, as "dotnet .../Isolation.Launcher.dll": they get the same program compiled ahead of time.
if bash "$here/compile-launcher.sh" "$tests" "$payload/launcher"; then
  path=/mnt/host/bin:$path; mkdir "$payload/bin"
  printf '%s\n' '#!/bin/sh' 'case ${1:-} in */Isolation.Launcher.dll) shift; exec /mnt/host/launcher "$@" ;; esac' \
    'exec /mnt/host/dotnet/dotnet "$@"' > "$payload/bin/dotnet"
  chmod 755 "$payload/bin/dotnet"
fi
{
  echo '#!/bin/sh'
  # Code is emulated: what compiles less is faster.
  [ ! -d "$payload/bin" ] || echo 'export ISOLATION_TEST_DOTNET=/mnt/host/bin/dotnet'
  echo "export DOTNET_ROOT=/mnt/host/dotnet DOTNET_TieredPGO=0 DOTNET_TC_CallCounting=0 DOTNET_NOLOGO=1 ISOLATION_TEST_MACHINE=1 PATH=$path:\$PATH"
  # The payload is read-only, also for reports.
  echo 'cd /mnt/host/tests; result=0'
  run="/mnt/host/dotnet/dotnet Isolation.Kernel.Tests.dll --no-progress --output Detailed --results-directory"
  if [ "$users" != user ]; then
    printf '%s /tmp/results-root' "$run"; printf ' %q' "$@"; echo ' || result=$?'
  fi
  if [ "$users" != root ]; then
    printf 'runuser -u isolation-test -- env HOME=/home/isolation-test PATH=%s:/usr/bin:/bin:/usr/sbin:/sbin' "$path"
    # To an ordinary user systemd delegates a scope.
    case $mode in --systemd|--selinux)
      printf ' XDG_RUNTIME_DIR=/run/user/1000 DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus systemd-run --user --scope -q -p Delegate=yes' ;;
    esac
    printf ' %s /tmp/results-user' "$run"; printf ' %q' "$@"; echo ' || result=$?'
  fi
  echo 'exit $result'
} > "$payload/run"
chmod +x "$payload/run"
bash "$here/run.sh" --kernel "$kernel" "$mode" "$payload"
