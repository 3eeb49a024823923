#!/usr/bin/env bash
# Builds and tests everything, as root and again as an ordinary user. Installs what it needs (Debian, Ubuntu).
# Ends with one line: N passed, N failed, N skipped.
#   eng/test.sh            all lanes
#   eng/test.sh --quick    without the emulated machines
set -uo pipefail
cd "$(dirname "$0")/.."
quick=0; [ "${1:-}" = --quick ] && quick=1
sudo=(); [ "$(id -u)" = 0 ] || sudo=(sudo)
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1

packages=(gcc libc6-dev linux-libc-dev libseccomp2 binutils-aarch64-linux-gnu uidmap procps bsdutils util-linux iproute2 nftables socat iperf3 slirp4netns)
[ $quick = 1 ] || packages+=(qemu-system-arm mmdebstrap e2fsprogs zstd python3)
missing=(); for p in "${packages[@]}"; do dpkg -s "$p" >/dev/null 2>&1 || missing+=("$p"); done
if [ ${#missing[@]} -gt 0 ]; then
  "${sudo[@]}" apt-get update -qq && "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || {
    echo "The packages ${missing[*]} could not be installed."; echo "0 passed, 1 failed, 0 skipped"; exit 1; }
fi

# Not in every release; its tests say that it is missing.
dpkg -s passt >/dev/null 2>&1 || "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends passt >/dev/null 2>&1 || echo "The package passt could not be installed."

passed=0 failed=0 skipped=0
log=$(mktemp) failures=$(mktemp); trap 'rm -rf "$log" "$failures" "${copy:-}"' EXIT
count() { # adds up the summaries of a log and keeps its failures; a run that ends badly without a failed test counts as one
  local p f s
  read -r p f s < <(awk '/^ +succeeded: [0-9]+$/ {p+=$2} /^ +failed: [0-9]+$/ {f+=$2} /^ +skipped: [0-9]+$/ {s+=$2} END {print p+0, f+0, s+0}' "$log")
  [ "$1" = 0 ] || [ "$f" -gt 0 ] || { f=1; echo "A run of tests ended with code $1 and no failed test; its last lines:" >> "$failures"; tail -15 "$log" >> "$failures"; }
  awk '/^failed / {n=12} /^(skipped |Test run|==|Ok,)/ {n=0} n-- > 0 {print substr($0, 1, 400)}' "$log" >> "$failures"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}
finish() { # says what failed again, at the end, where it is found
  [ ! -s "$failures" ] || { echo "== failed"; cat "$failures"; }
  echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" = 0 ]; exit
}

echo "== build"
if ! dotnet build Isolation.sln --configuration Release --nologo -v quiet; then failed=1; finish; fi

echo "== format"
if ! dotnet format whitespace Isolation.sln --verify-no-changes --no-restore >"$log" 2>&1; then
  head -20 "$log"; failed=$((failed + 1)); finish
fi

tests=(Linux.Tests Namespaces.Tests Cgroups.Tests Security.Tests Net.Tests Containers.Tests Properties Abi.Tests Differential)
if [ $quick = 0 ]; then
  tests+=(Arm64.Tests)
  ISOLATION_ARM64_KERNEL=$("${sudo[@]}" env HOME="$HOME" eng/fetch-arm64-kernel.sh) || { echo "The arm64 kernel could not be fetched."; failed=1; }
  export ISOLATION_ARM64_KERNEL
fi
for t in "${tests[@]}"; do
  echo "== $t"
  dotnet "tests/Isolation.$t/bin/Release/net10.0/Isolation.$t.dll" --no-progress 2>&1 | tee "$log"; count "${PIPESTATUS[0]}"
done

# One test of the root's lane starts programs as this user.
user=isolation-test
id $user >/dev/null 2>&1 || "${sudo[@]}" useradd --create-home --shell /bin/bash $user
for file in /etc/subuid /etc/subgid; do
  grep -q "^$user:" $file 2>/dev/null || echo "$user:500000:65536" | "${sudo[@]}" tee -a $file >/dev/null
done
echo "== Kernel.Tests, as root"
"${sudo[@]}" env PATH="$PATH" DOTNET_ROOT="${DOTNET_ROOT:-}" dotnet tests/Isolation.Kernel.Tests/bin/Release/net10.0/Isolation.Kernel.Tests.dll --no-progress 2>&1 | tee "$log"; count "${PIPESTATUS[0]}"

echo "== Kernel.Tests, as an ordinary user"
copy=$(mktemp -d); cp -r tests/Isolation.Kernel.Tests/bin/Release/net10.0 "$copy/tests"; chmod -R a+rX "$copy"
"${sudo[@]}" runuser -u $user -- env HOME=/home/$user DOTNET_NOLOGO=1 PATH="$PATH" DOTNET_ROOT="${DOTNET_ROOT:-}" \
  sh -c "cd '$copy/tests' && exec dotnet Isolation.Kernel.Tests.dll --no-progress" 2>&1 | tee "$log"; count "${PIPESTATUS[0]}"

if [ $quick = 0 ]; then
  echo "== Kernel.Tests of control groups and security in the test machine: version 2, systemd, AppArmor"
  bash tests/Vm/test.sh --systemd 2>&1 | tee "$log"; count "${PIPESTATUS[0]}"
  echo "== Kernel.Tests of networks in the test machine: what other kernels lack"
  bash tests/Vm/test.sh --min --filter-namespace Isolation.Kernel.Tests.Net 2>&1 | tee "$log"; count "${PIPESTATUS[0]}"
  echo "== Kernel.Tests of labels in the test machine: SELinux"
  bash tests/Vm/test.sh --selinux --filter-class Isolation.Kernel.Tests.Security.LsmTests 2>&1 | tee "$log"; count "${PIPESTATUS[0]}"
fi

echo "== pack"
if ! dotnet pack Isolation.sln --configuration Release --no-build --nologo -v quiet --output "$copy/packages"; then failed=$((failed + 1)); fi
finish
