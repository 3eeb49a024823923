#!/usr/bin/env bash
# Fetches Debian's arm64 cloud kernel with apt, without adding the architecture to this machine. Prints the kernel's path.
# usage: eng/fetch-arm64-kernel.sh [CACHE]     CACHE: default ~/.cache/isolation/arm64
set -euo pipefail
cache=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/isolation/arm64}
kernel=$cache/vmlinuz
if [ ! -s "$kernel" ]; then
  mkdir -p "$cache/lists/partial" "$cache/archives/partial"
  options=(-o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State::Lists="$cache/lists" -o Dir::State::status=/dev/null
    -o Dir::Cache="$cache" -o APT::Sandbox::User=root -qq)
  apt-get "${options[@]}" update >&2
  package=$(apt-cache "${options[@]}" depends linux-image-cloud-arm64 | awk '/Depends: linux-image/ {print $2; exit}')
  (cd "$cache" && apt-get "${options[@]}" download "$package" >&2)
  dpkg -x "$cache"/linux-image-*.deb "$cache/tree"
  cp "$cache"/tree/boot/vmlinuz-* "$kernel"
  rm -rf "$cache/tree" "$cache/lists" "$cache/archives" "$cache"/*.deb "$cache"/*.bin
fi
echo "$kernel"
