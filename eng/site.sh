#!/usr/bin/env bash
# Builds the documentation, docs/_site, from the guides and from the XML documentation of the built libraries; no network is used beyond the
# restore of the tool. Fails for a broken link, a broken include or an unknown cref. Needs a Release build.
#   eng/site.sh            builds
#   eng/site.sh --serve    builds, and serves it on http://localhost:8080
set -euo pipefail
cd "$(dirname "$0")/.."
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1
dotnet tool restore >/dev/null
rm -rf docs/_site docs/obj; mkdir -p docs/obj/assemblies
for project in src/*/; do
  name=$(basename "$project")
  cp "$project/bin/Release/net10.0/$name".{dll,xml} docs/obj/assemblies/ || { echo "site.sh: build the solution first (dotnet build -c Release)." >&2; exit 1; }
done
# What their members' types come from, where that is neither theirs nor the runtime's.
cp samples/Isolation.Launcher/bin/Release/net10.0/Tmds.DBus.Protocol.dll docs/obj/assemblies/
dotnet tool run docfx -- docfx.json --warningsAsErrors --logLevel warning "$@"
