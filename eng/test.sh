#!/usr/bin/env bash
# Builds and tests everything, as root and again as an ordinary user. Installs what it needs (Debian, Ubuntu).
# Ends with one line: N passed, N failed, N skipped.
#   eng/test.sh            all lanes
#   eng/test.sh --quick    without the emulated machines
#   eng/test.sh --long     the long lanes whole, of which else a short core is run; takes hours
#   eng/test.sh --beside   the kernel tests beside another program that starts and stops 20 containers all the time, whose verdict counts too
# Several may be given. Runs may overlap: each sees only what it made.
set -uo pipefail
# A signal that whoever started this ignores, as nohup and a script's & do, would be ignored by the programs under test as well.
[ -n "${ISOLATION_SIGNALS:-}" ] || exec env --default-signal ISOLATION_SIGNALS=default bash "$0" "$@"
cd "$(dirname "$0")/.."
quick=0 beside=0
for option in "$@"; do
  case $option in
    --quick) quick=1 ;; --long) export ISOLATION_LONG=1 ;; --beside) beside=1 ;;
    *) echo "test.sh: $option is none of --quick, --long, --beside"; exit 2 ;;
  esac
done
sudo=(); [ "$(id -u)" = 0 ] || sudo=(sudo)
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1

packages=(gcc libc6-dev linux-libc-dev libseccomp2 dbus binutils-aarch64-linux-gnu uidmap procps bsdutils util-linux iproute2 nftables socat iperf3 slirp4netns strace)
[ $quick = 1 ] || packages+=(zlib1g-dev qemu-system-arm mmdebstrap e2fsprogs zstd python3)
missing=(); for p in "${packages[@]}"; do dpkg -s "$p" >/dev/null 2>&1 || missing+=("$p"); done
if [ ${#missing[@]} -gt 0 ]; then
  "${sudo[@]}" apt-get update -qq && "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || {
    echo "The packages ${missing[*]} could not be installed."; echo "0 passed, 1 failed, 0 skipped"; exit 1; }
fi

# Not in every release; its tests say that it is missing.
dpkg -s passt >/dev/null 2>&1 || "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends passt >/dev/null 2>&1 || echo "The package passt could not be installed."

passed=0 failed=0 skipped=0
log=$(mktemp) failures=$(mktemp) times=$(mktemp); trap '"${sudo[@]}" rm -rf "$log" "$failures" "$times" "${copy:-}" "${neighbour:-}"' EXIT
show() { # a log as it comes, and what is shown of it: all but the tests that passed
  tee "$log" | awk '/^passed / {hidden=1} /^(failed |skipped |Test run|==)/ {hidden=0} !hidden {print; fflush()}'
}
count() { # adds up the summaries of a log and keeps its failures; a run that ends badly without a failed test counts as one
  local p f s
  read -r p f s < <(awk '/^ +succeeded: [0-9]+$/ {p+=$2} /^ +failed: [0-9]+$/ {f+=$2} /^ +skipped: [0-9]+$/ {s+=$2} END {print p+0, f+0, s+0}' "$log")
  [ "$1" = 0 ] || [ "$f" -gt 0 ] || { f=1; echo "A run of tests ended with code $1 and no failed test; its last lines:" >> "$failures"; tail -15 "$log" >> "$failures"; }
  awk '/^failed / {n=12} /^(passed |skipped |Test run|==|Ok,)/ {n=0} n-- > 0 {print substr($0, 1, 400)}' "$log" >> "$failures"
  awk -v lane="$lane" '/^passed .*ms\)$/ {t=0; for (i=NF; i>2 && $i !~ /^\(/; i--); for (; i<=NF; i++) { n=$i; gsub(/[^0-9]/, "", n); t += n * ($i ~ /ms/ ? 1 : $i ~ /[0-9]s/ ? 1000 : $i ~ /[0-9]m$/ ? 60000 : 0) } printf "%9.1f s  %s  %s\n", t / 1000, lane, substr($0, 8, 180)}' "$log" >> "$times"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}
begin() { lane=$1; echo "== $1"; }
finish() { # says what failed again, at the end, where it is found, and last the names alone, which even a short end of a log holds
  echo "== slowest"; sort -rn "$times" | head -30
  [ ! -s "$failures" ] || { echo "== failed"; cat "$failures"; echo "== names"; grep -E '^failed |^A run of tests ended' "$failures" | cut -c 1-200; }
  echo "$passed passed, $failed failed, $skipped skipped"; [ "$failed" = 0 ]; exit
}

echo "== build"
if ! dotnet build Isolation.sln --configuration Release --nologo -v quiet; then failed=1; finish; fi

echo "== format"
if ! dotnet format whitespace Isolation.sln --verify-no-changes --no-restore >"$log" 2>&1; then
  head -20 "$log"; failed=$((failed + 1)); finish
fi

tests=(Linux.Tests Namespaces.Tests Cgroups.Tests Security.Tests Net.Tests Containers.Tests Docs.Tests Extensions.Hosting.Tests Analyzers.Tests Properties Abi.Tests Differential)
if [ $quick = 0 ]; then
  tests+=(Arm64.Tests)
  ISOLATION_ARM64_KERNEL=$("${sudo[@]}" env HOME="$HOME" eng/fetch-arm64-kernel.sh) || { echo "The arm64 kernel could not be fetched."; failed=1; }
  export ISOLATION_ARM64_KERNEL
fi
for t in "${tests[@]}"; do
  begin "$t"
  dotnet "tests/Isolation.$t/bin/Release/net10.0/Isolation.$t.dll" --no-progress --output Detailed 2>&1 | show; count "${PIPESTATUS[0]}"
done

begin "Fuzz, a core"
bash eng/fuzz.sh 0.08 2>&1 | show; count "${PIPESTATUS[0]}"

# One test of the root's lane starts programs as this user.
user=isolation-test
id $user >/dev/null 2>&1 || "${sudo[@]}" useradd --create-home --shell /bin/bash $user
for file in /etc/subuid /etc/subgid; do
  grep -q "^$user:" $file 2>/dev/null || echo "$user:500000:65536" | "${sudo[@]}" tee -a $file >/dev/null
done
# What others mount meanwhile is not seen: mounts of its own, shared among themselves where the host's are.
apart=(unshare --mount --propagation private sh -c 'if grep -q " / / .* shared:" /proc/1/mountinfo; then mount --make-rshared /; fi; exec "$@"' sh)
if [ $beside = 1 ]; then
  neighbour=$(mktemp -d); mkfifo "$neighbour/until"
  "${sudo[@]}" env PATH="$PATH" DOTNET_ROOT="${DOTNET_ROOT:-}" dotnet tests/Isolation.Testing.Victim/bin/Release/net10.0/Isolation.Testing.Victim.dll --containers 20 \
    < "$neighbour/until" > "$neighbour/said" 2>&1 &
  neighbour_process=$!
  sleep infinity > "$neighbour/until" & neighbour_end=$!
fi
# A copy that everybody may read, and that compiles less: hundreds of tests start the launcher.
copy=$(mktemp -d); cp -r tests/Isolation.Kernel.Tests/bin/Release/net10.0 "$copy/tests"
bash tests/Vm/precompile.sh "$(ls -d "$(dirname "$(readlink -f "$(command -v dotnet)")")"/shared/Microsoft.NETCore.App/10.* | sort -V | tail -1)" "$copy/tests"
chmod -R a+rX "$copy"; mkdir -m 1777 "$copy/results"
begin "Kernel.Tests, as root"
"${sudo[@]}" "${apart[@]}" env PATH="$PATH" DOTNET_ROOT="${DOTNET_ROOT:-}" ISOLATION_LONG="${ISOLATION_LONG:-}" \
  sh -c "cd '$copy/tests' && exec dotnet Isolation.Kernel.Tests.dll --no-progress --output Detailed --results-directory '$copy/results'" 2>&1 | show; count "${PIPESTATUS[0]}"

begin "Kernel.Tests, as an ordinary user"
"${sudo[@]}" "${apart[@]}" runuser -u $user -- env HOME=/home/$user DOTNET_NOLOGO=1 ISOLATION_LONG="${ISOLATION_LONG:-}" PATH="$PATH" DOTNET_ROOT="${DOTNET_ROOT:-}" \
  sh -c "cd '$copy/tests' && exec dotnet Isolation.Kernel.Tests.dll --no-progress --output Detailed --results-directory '$copy/results'" 2>&1 | show; count "${PIPESTATUS[0]}"

if [ $beside = 1 ]; then
  echo "== the program beside them"
  kill $neighbour_end
  wait $neighbour_process || { failed=$((failed + 1)); echo "A run of tests ended with code 1: the containers beside it" >> "$failures"; cat "$neighbour/said" >> "$failures"; }
  cat "$neighbour/said"
fi

if [ $quick = 0 ]; then
  classes() { local c; for c in "$@"; do printf '%s\n' --filter-class "Isolation.Kernel.Tests.$c"; done; }
  begin "Kernel.Tests of control groups, security and mounts in the test machine: version 2, systemd, AppArmor, Linux 6.12"
  bash tests/Vm/test.sh --systemd $(classes 'Cgroups.*' 'Security.*' MountTests LayerTests) 2>&1 | show; count "${PIPESTATUS[0]}"
  # What differs by kernel: mounts and overlays, ways to start, seccomp notifications, Landlock's versions, kills of control groups.
  begin "Kernel.Tests in the test machine, a core: Linux 6.1"
  bash tests/Vm/test.sh --kernel 6.1 --systemd $(classes ContainerTests NamespaceTests MountTests LayerTests \
    Security.SeccompNotifierTests Security.LandlockKernelTests Cgroups.LifetimeTests) 2>&1 | show; count "${PIPESTATUS[0]}"
  begin "Kernel.Tests of control groups in the test machine, a core: version 1 alone, Linux 6.1"
  bash tests/Vm/test.sh --kernel 6.1 --v1 --filter-method 'Isolation.Kernel.Tests.Cgroups.LifetimeTests.*' \
    --filter-method '*.A_stranger_that_got_the_number_of_a_member_of_the_control_group_lives' 2>&1 | show; count "${PIPESTATUS[0]}"
  begin "Kernel.Tests of networks in the test machine: what other kernels lack"
  bash tests/Vm/test.sh --min --filter-namespace Isolation.Kernel.Tests.Net 2>&1 | show; count "${PIPESTATUS[0]}"
  begin "Kernel.Tests of labels in the test machine: SELinux"
  bash tests/Vm/test.sh --selinux --filter-class Isolation.Kernel.Tests.Security.LsmTests 2>&1 | show; count "${PIPESTATUS[0]}"
fi

echo "== site"
if ! bash eng/site.sh; then failed=$((failed + 1)); echo "A run of tests ended with code 1: the site of the documentation" >> "$failures"; fi

echo "== pack"
native=(); [ $quick = 0 ] || native=(--no-native)
if bash eng/pack.sh "${native[@]}" --no-build "$copy/packages"; then
  begin "A consumer of the packages"
  "${sudo[@]}" env HOME="$HOME" PATH="$PATH" DOTNET_ROOT="${DOTNET_ROOT:-}" bash eng/consumer.sh "$copy/packages" 2>&1 | show; count "${PIPESTATUS[0]}"
else
  failed=$((failed + 1))
fi
finish
